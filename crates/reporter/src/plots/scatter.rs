//! Networks as dots with labels: accuracy against a cost, a colour a way to store values.

use super::axis::Axis;
use super::frame::Frame;
use super::labels::{self, Surroundings};
use super::{Key, Plot};
use crate::csv::Csv;
use crate::format::percent;
use crate::svg::{Drawing, Point};

const SIZE: (f64, f64) = (480.0, 290.0);

/// How networks are stored and run, and the classes of their lines and dots.
const KINDS: [(&str, &str, &str); 5] = [
    ("f32", "line blue", "dot blue"),
    ("f16", "line orange", "dot orange"),
    ("int8", "line green", "dot green"),
    ("int8 (W8A8)", "line red", "dot red"),
    ("codebook4", "line purple", "dot purple"),
];

/// A network and its cost.
pub struct Spot {
    /// What stands beside the dot.
    pub label: String,
    /// What the pointer shows.
    pub says: String,
    /// How it is stored and run; empty for the dense network.
    pub values: String,
    /// Pruned over prunable weights.
    pub sparsity: f64,
    /// Test accuracy.
    pub accuracy: f64,
    /// Bytes or milliseconds.
    pub cost: f64,
}

/// What one chart has for itself.
pub struct Chart {
    /// File name without ending.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// How to read it.
    pub caption: String,
    /// The axis of costs.
    pub axis: Axis,
    /// Where a cost stands on it.
    pub scale: fn(f64) -> f64,
    /// The numbers.
    pub csv: Csv,
}

/// The chart of `spots`, those of a kind joined in the order of their sparsity.
pub fn plot(chart: Chart, spots: &[Spot]) -> Plot {
    let seen = |s: &&Spot| (chart.scale)(s.cost).is_finite() && s.accuracy.is_finite();
    let spots: Vec<&Spot> = spots.iter().filter(seen).collect();
    let y = Axis::percent(spots.iter().map(|s| s.accuracy * 100.0), "");
    let mut frame = Frame::new(("Test accuracy", ""), SIZE, chart.axis, y);
    let at = |s: &Spot| frame.at((chart.scale)(s.cost), s.accuracy * 100.0);
    let dots: Vec<Point> = spots.iter().map(|s| at(s)).collect();
    let mut lines = sequences(&mut frame.drawing, &spots, &dots);
    lines.extend(level(&mut frame, &spots));
    let among = Surroundings { inside: frame.inside(), dots: &dots, lines: &lines };
    draw(&mut frame.drawing, &spots, &among);
    Plot {
        name: chart.name.to_owned(),
        title: chart.title.to_owned(),
        caption: chart.caption,
        keys: keys(&spots),
        csv: chart.csv,
        panels: vec![frame.panel()],
    }
}

/// Draws the line of each kind, and says where they lie.
fn sequences(drawing: &mut Drawing, spots: &[&Spot], dots: &[Point]) -> Vec<Vec<Point>> {
    let mut lines = vec![];
    for (kind, class, _) in KINDS {
        let line = sequence(spots, dots, kind);
        drawing.polyline(class, &line);
        lines.push(line);
    }
    lines
}

/// The dots of the spots of `kind` by sparsity; none where several have the same.
fn sequence(spots: &[&Spot], dots: &[Point], kind: &str) -> Vec<Point> {
    let mut all: Vec<_> = spots.iter().zip(dots).filter(|(s, _)| s.values == kind).collect();
    all.sort_by(|a, b| a.0.sparsity.total_cmp(&b.0.sparsity));
    let shown = |i: usize| percent(all[i].0.sparsity, 1);
    if (1..all.len()).any(|i| shown(i) == shown(i - 1)) {
        return vec![];
    }
    all.into_iter().map(|(_, dot)| *dot).collect()
}

/// The level of the dense network's accuracy, and where it lies.
fn level(frame: &mut Frame, spots: &[&Spot]) -> Option<Vec<Point>> {
    let dense = spots.iter().find(|s| s.values.is_empty())?.accuracy * 100.0;
    frame.level("line gray dashed", dense);
    let [(left, _), (right, _)] = frame.inside();
    let y = frame.at(0.0, dense).1;
    Some(vec![(left, y), (right, y)])
}

fn draw(drawing: &mut Drawing, spots: &[&Spot], among: &Surroundings) {
    let dots = spots.iter().zip(among.dots);
    let labels: Vec<_> = dots.clone().map(|(s, &at)| (at, s.label.clone())).collect();
    for ((spot, at), label) in dots.zip(labels::place(&labels, among)) {
        drawing.dot(class(spot), *at, &spot.says);
        if let Some(label) = label {
            drawing.text("", label, &spot.label);
        }
    }
}

fn class(spot: &Spot) -> &'static str {
    KINDS.iter().find(|k| k.0 == spot.values).map_or("dot gray", |k| k.2)
}

fn keys(spots: &[&Spot]) -> Vec<Key> {
    let used = KINDS.iter().filter(|k| spots.iter().any(|s| s.values == k.0));
    let kind = |k: &(&str, &'static str, &str)| Key::line(k.1, &format!("packed, {}", k.0));
    let dense = spots.iter().find(|s| s.values.is_empty()).map(|s| {
        let label = format!("dense: {}", percent(s.accuracy, 1));
        Key::line("line gray dashed", &label)
    });
    used.map(kind).chain(dense).collect()
}
