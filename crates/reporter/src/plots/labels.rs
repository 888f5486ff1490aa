//! Labels beside dots, so that none covers another, a dot, or leaves the panel.

use crate::svg::{self, Point};

/// Upper left and lower right corner.
type Box = [Point; 2];

/// Height of a label's letters, and of what hangs below its baseline.
const LETTERS: (f64, f64) = (9.0, 3.0);
/// Half the side of what a dot and a line keep free.
const DOT: f64 = 4.0;
const LINE: f64 = 1.5;

/// What labels stand among.
pub struct Surroundings<'a> {
    /// The panel's inside.
    pub inside: Box,
    /// Dots.
    pub dots: &'a [Point],
    /// Lines; a label crosses one only where it has no other place.
    pub lines: &'a [Vec<Point>],
}

/// The start of the baseline of each of `labels`, which belong to dots; none where no place is
/// free.
pub fn place(labels: &[(Point, String)], among: &Surroundings) -> Vec<Option<Point>> {
    let mut taken: Vec<Box> = among.dots.iter().map(|&d| around(d, DOT)).collect();
    let lines: Vec<Box> = among.lines.iter().flat_map(|l| along(l)).collect();
    let mut places = Vec::new();
    for (dot, text) in labels {
        let free = |lines: &[Box]| {
            candidates(*dot, svg::width(text)).find(|at| {
                let label = extent(*at, text);
                let clear = |all: &[Box]| !all.iter().any(|b| overlap(b, &label));
                within(&label, &among.inside) && clear(&taken) && clear(lines)
            })
        };
        let found = free(&lines).or_else(|| free(&[]));
        taken.extend(found.map(|at| extent(at, text)));
        places.push(found);
    }
    places
}

/// Places for text of `width` beside `dot`, the best first.
fn candidates(dot: Point, width: f64) -> impl Iterator<Item = Point> {
    let beside = move |gap: f64| {
        let (right, middle, left) = (gap, -width / 2.0, -gap - width);
        let (up, level, down) = (-gap, 4.0, gap + LETTERS.0);
        [
            (right, level),
            (middle, up),
            (middle, down),
            (left, level),
            (right, up),
            (right, down),
            (left, up),
            (left, down),
        ]
    };
    [7.0, 13.0].into_iter().flat_map(beside).map(move |by| (dot.0 + by.0, dot.1 + by.1))
}

fn extent(at: Point, text: &str) -> Box {
    [(at.0, at.1 - LETTERS.0), (at.0 + svg::width(text), at.1 + LETTERS.1)]
}

fn around(at: Point, by: f64) -> Box {
    [(at.0 - by, at.1 - by), (at.0 + by, at.1 + by)]
}

/// Boxes that cover `line`, a few units each.
fn along(line: &[Point]) -> Vec<Box> {
    let piece = |ends: &[Point]| -> Vec<Box> {
        let (by_x, by_y) = (ends[1].0 - ends[0].0, ends[1].1 - ends[0].1);
        let steps = (by_x.hypot(by_y) / LINE).ceil().max(1.0);
        let at = |i: usize| {
            let share = i as f64 / steps;
            around((ends[0].0 + share * by_x, ends[0].1 + share * by_y), LINE)
        };
        (0..=steps as usize).map(at).collect()
    };
    line.windows(2).flat_map(piece).collect()
}

fn overlap(a: &Box, b: &Box) -> bool {
    a[0].0 < b[1].0 && b[0].0 < a[1].0 && a[0].1 < b[1].1 && b[0].1 < a[1].1
}

fn within(label: &Box, inside: &Box) -> bool {
    label[0].0 >= inside[0].0
        && label[0].1 >= inside[0].1
        && label[1].0 <= inside[1].0
        && label[1].1 <= inside[1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: Box = [(0.0, 0.0), (200.0, 100.0)];

    #[test]
    fn no_label_covers_another_or_leaves_the_panel() {
        let dots: Vec<Point> = (0..12).map(|i| (f64::from(i) * 18.0, f64::from(i % 3))).collect();
        let labels: Vec<_> = dots.iter().map(|&d| (d, "97.5 %".to_owned())).collect();
        let among =
            Surroundings { inside: INSIDE, dots: &dots, lines: std::slice::from_ref(&dots) };
        let places = place(&labels, &among);
        let boxes: Vec<Box> = places.iter().flatten().map(|&at| extent(at, "97.5 %")).collect();
        assert!(boxes.len() >= 4 && boxes.iter().all(|b| within(b, &INSIDE)), "{places:?}");
        for (i, a) in boxes.iter().enumerate() {
            assert!(boxes[..i].iter().all(|b| !overlap(a, b)), "{places:?}");
            assert!(!dots.iter().any(|&d| overlap(a, &around(d, DOT))), "{places:?}");
        }
    }

    #[test]
    fn a_line_is_crossed_only_where_nothing_else_is_free() {
        let check = |lines: &[Vec<Point>], expected: Point| {
            let among = Surroundings { inside: INSIDE, dots: &[(50.0, 50.0)], lines };
            let places = place(&[((50.0, 50.0), "x".to_owned())], &among);
            assert_eq!(places, [Some(expected)]);
        };
        check(&[], (57.0, 54.0));
        check(&[vec![(50.0, 50.0), (200.0, 50.0)]], (50.0 - 3.3, 43.0));
        let everywhere: Vec<Vec<Point>> =
            (0..100).map(|y| vec![(0.0, f64::from(y)), (200.0, f64::from(y))]).collect();
        check(&everywhere, (57.0, 54.0));
    }
}
