//! Histograms of the weights of each layer, before and after, with and without zeros.

use artifact::size::thousands;

use super::axis::{Axis, logarithm};
use super::frame::Frame;
use super::{Key, Panel, Plot};
use crate::csv::{Csv, Field};
use crate::weights::Pair;

/// An odd number, so that zero lies in the middle of a bin.
const BINS: usize = 51;
const SIZE: (f64, f64) = (290.0, 190.0);

/// Whether pruned weights are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// They are left out, and counted in words.
    Without,
    /// They are in the bin around zero; counts are logarithmic, or nothing else would show.
    With,
}

/// What is drawn of a layer: counts a bin.
struct Bins {
    limit: f64,
    before: Vec<u64>,
    after: Option<Vec<u64>>,
}

/// Histograms of `pairs` of the network `label`, which is called `after`; the file is `name`.
pub fn plot(name: &str, (label, after): (&str, &str), zeros: Zeros, pairs: &[Pair]) -> Plot {
    let (title, counts) = match zeros {
        Zeros::Without => ("Weights without zeros", "Counts of weights that are not zero."),
        Zeros::With => ("Weights with zeros", "Counts on a logarithmic axis, zeros included."),
    };
    let mut keys = vec![Key::area("area gray soft", "dense")];
    if pairs.iter().any(|p| p.after.is_some()) {
        keys.push(Key::line("line blue", after));
    }
    let bins: Vec<Bins> = pairs.iter().map(|p| Bins::of(p, zeros)).collect();
    Plot {
        name: name.to_owned(),
        title: format!("{title}, {label}"),
        caption: format!(
            "{counts} The range holds 99.9 % of a layer's weights; its end bins hold the rest."
        ),
        keys,
        panels: pairs.iter().zip(&bins).map(|(p, b)| panel(p, b, zeros)).collect(),
        csv: csv(pairs, &bins),
    }
}

impl Bins {
    fn of(pair: &Pair, zeros: Zeros) -> Self {
        let limit = limit(pair);
        let count = |values: &[f32]| {
            let mut bins = vec![0; BINS];
            for &v in values.iter().filter(|v| zeros == Zeros::With || **v != 0.0) {
                bins[index(f64::from(v), limit)] += 1;
            }
            bins
        };
        Self { limit, before: count(&pair.before), after: pair.after.as_deref().map(count) }
    }

    fn highest(&self) -> u64 {
        self.before.iter().chain(self.after.iter().flatten()).copied().max().unwrap_or(0)
    }

    /// The lower end of bin `i`.
    fn edge(&self, i: usize) -> f64 {
        (2.0 * i as f64 / BINS as f64 - 1.0) * self.limit
    }
}

/// The absolute value that 99.9 % of the non-zero weights keep to; 1 where all are zero.
fn limit(pair: &Pair) -> f64 {
    let quantile = |values: &[f32]| {
        let mut sizes: Vec<f32> = values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).collect();
        if sizes.is_empty() {
            return 0.0;
        }
        let at = (sizes.len() - 1) * 999 / 1000;
        *sizes.select_nth_unstable_by(at, f32::total_cmp).1
    };
    let largest = pair.after.as_deref().map_or(0.0, quantile).max(quantile(&pair.before));
    if largest > 0.0 { f64::from(largest) } else { 1.0 }
}

fn index(value: f64, limit: f64) -> usize {
    let share = f64::midpoint(value / limit, 1.0);
    ((share * BINS as f64).floor().max(0.0) as usize).min(BINS - 1)
}

fn panel(pair: &Pair, bins: &Bins, zeros: Zeros) -> Panel {
    let highest = bins.highest() as f64;
    let (y, scale): (Axis, fn(f64) -> f64) = match zeros {
        Zeros::Without => (Axis::counts(highest), |count| count),
        Zeros::With => (Axis::log_counts(highest), logarithm),
    };
    let x = Axis::symmetric(bins.limit, "weight");
    let mut frame = Frame::new((&pair.name, &zeros_in_words(pair)), SIZE, x, y);
    let before = frame.places(&outline(&bins.before, bins, scale));
    frame.drawing.polygon("area gray soft", &before);
    if let Some(after) = &bins.after {
        let after = frame.places(&outline(after, bins, scale));
        frame.drawing.polygon("area faint blue", &after);
        frame.drawing.polyline("line thin blue", &after);
    }
    frame.panel()
}

fn zeros_in_words(pair: &Pair) -> String {
    let values = pair.after.as_ref().unwrap_or(&pair.before);
    let zeros = values.iter().filter(|v| **v == 0.0).count() as u64;
    let all = thousands(values.len() as u64);
    match zeros {
        0 => format!("none of {all} is zero"),
        n if n as usize == values.len() => format!("all {all} are zero"),
        n => format!("{} of {all} are zero", thousands(n)),
    }
}

/// The steps of a histogram, from the lower left to the lower right corner.
fn outline(counts: &[u64], bins: &Bins, scale: fn(f64) -> f64) -> Vec<(f64, f64)> {
    let steps = counts.iter().enumerate().flat_map(|(i, &count)| {
        let y = scale(count as f64);
        [(bins.edge(i), y), (bins.edge(i + 1), y)]
    });
    std::iter::once((bins.edge(0), 0.0)).chain(steps).chain([(bins.edge(BINS), 0.0)]).collect()
}

fn csv(pairs: &[Pair], bins: &[Bins]) -> Csv {
    let mut csv = Csv::new(&["layer", "from", "to", "dense", "after"]);
    for (pair, b) in pairs.iter().zip(bins) {
        for i in 0..BINS {
            let after = b.after.as_ref().map_or(Field::Text(""), |a| Field::Count(a[i]));
            csv.row([
                Field::Text(&pair.name),
                Field::Number(b.edge(i)),
                Field::Number(b.edge(i + 1)),
                Field::Count(b.before[i]),
                after,
            ]);
        }
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(before: &[f32], after: Option<&[f32]>) -> Pair {
        Pair { name: "l".into(), before: before.to_vec(), after: after.map(<[f32]>::to_vec) }
    }

    #[test]
    fn zeros_are_in_the_middle_or_left_out() {
        let p = pair(&[-1.0, 0.5, 1.0, 0.25], Some(&[0.0, 0.0, 1.0, 0.0]));
        let with = Bins::of(&p, Zeros::With).after.expect("drawn");
        assert_eq!((with[BINS / 2], with.iter().sum::<u64>()), (3, 4));
        let without = Bins::of(&p, Zeros::Without).after.expect("drawn");
        assert_eq!((without[BINS / 2], without.iter().sum::<u64>()), (0, 1));
    }

    #[test]
    fn an_all_zero_layer_is_drawn_without_nan() {
        for zeros in [Zeros::With, Zeros::Without] {
            let plot = plot("n", ("t", "pruned"), zeros, &[pair(&[0.0; 9], Some(&[0.0; 9]))]);
            let text = plot.panels[0].drawing.inline((1.0, 1.0), "t");
            assert!(text.contains("all 9 are zero") && !text.contains("NaN"), "{text}");
        }
    }
}
