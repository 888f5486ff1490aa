//! Accuracy against what a packed network costs: bytes on disk, milliseconds an image.

use artifact::record::Training;
use artifact::timings::Speed;

use super::Plot;
use super::axis::Axis;
use super::scatter::{self, Chart, Spot};
use crate::csv::{Csv, Field};
use crate::deployed;
use crate::format::{self, percent};
use crate::view::Packed;

/// Longest label beside a dot.
const LABEL: usize = 18;

/// The charts of `packed` networks and the `dense` one; that of milliseconds is left out where no
/// batch size was timed of all.
pub fn plots(packed: &[Packed], dense: Option<&Training>) -> Vec<Plot> {
    let dense = dense.map(|t| (t.scores.test.accuracy, t.sizes.file));
    std::iter::once(bytes(packed, dense)).chain(milliseconds(packed, dense.map(|d| d.0))).collect()
}

fn bytes(packed: &[Packed], dense: Option<(f64, u64)>) -> Plot {
    let says = |count: u64| format::bytes(count);
    let mut spots = spots(packed, |i| (packed[i].of.bytes as f64, says(packed[i].of.bytes)));
    spots.extend(dense.map(|d| dense_spot(d.0, d.1 as f64, &says(d.1))));
    let mut csv = Csv::new(&["run", "values", "sparsity", "accuracy", "bytes"]);
    for (spot, run) in spots.iter().zip(runs(packed)) {
        csv.row(fields(spot, run).into_iter().chain([Field::Count(spot.cost as u64)]));
    }
    let chart = Chart {
        name: "accuracy-against-bytes",
        title: "Accuracy against bytes",
        caption: "Each dot is the whole packed file of one network, at its test accuracy; the \
                  gray one is the dense checkpoint. The axis is logarithmic."
            .into(),
        axis: Axis::bytes(spots.iter().map(|s| s.cost), "bytes of the file"),
        scale: f64::log2,
        csv,
    };
    scatter::plot(chart, &spots)
}

fn milliseconds(packed: &[Packed], dense: Option<f64>) -> Option<Plot> {
    let batch = common_batch(packed)?;
    let speeds: Vec<&Speed> = packed.iter().filter_map(|p| speed_at(p, batch)).collect();
    let says = |ms: f64| format!("{} ms", format::milliseconds(ms, ms));
    let mut spots = spots(packed, |i| (speeds[i].milliseconds, says(speeds[i].milliseconds)));
    let usual = median(speeds.iter().map(|s| s.dense_milliseconds).collect());
    spots.extend(dense.map(|accuracy| dense_spot(accuracy, usual, &says(usual))));
    let title = format!("milliseconds an image, batch {batch}");
    let chart = Chart {
        name: "accuracy-against-milliseconds",
        title: "Accuracy against milliseconds",
        caption: format!(
            "Each dot is one packed network, at its test accuracy; the gray one is the dense \
             network, of whose times beside each of them this is the median. Measured with {}.",
            deployed::conditions(packed).join("; ")
        ),
        axis: Axis::over(spots.iter().map(|s| s.cost).chain([0.0]), &title, ""),
        scale: |ms| ms,
        csv: milliseconds_csv(&spots, packed, &speeds),
    };
    Some(scatter::plot(chart, &spots))
}

fn milliseconds_csv(spots: &[Spot], packed: &[Packed], speeds: &[&Speed]) -> Csv {
    let columns = ["batch", "milliseconds", "spread", "dense_milliseconds"];
    let mut csv = Csv::new(&[&["run", "values", "sparsity", "accuracy"], &columns[..]].concat());
    for ((i, spot), run) in spots.iter().enumerate().zip(runs(packed)) {
        let speed = speeds.get(i);
        let number = |of: fn(&Speed) -> f64| Field::Number(speed.map_or(f64::NAN, |s| of(s)));
        let batch = Field::Count(speeds[0].batch as u64);
        let rest = [batch, Field::Number(spot.cost), number(|s| s.spread)];
        let rest = rest.into_iter().chain([number(|s| s.dense_milliseconds)]);
        csv.row(fields(spot, run).into_iter().chain(rest));
    }
    csv
}

/// The largest batch that all were timed at.
fn common_batch(packed: &[Packed]) -> Option<usize> {
    let batches = packed.first()?.speeds.iter().map(|s| s.batch);
    batches.filter(|&b| packed.iter().all(|p| speed_at(p, b).is_some())).max()
}

fn speed_at<'a>(packed: &Packed<'a>, batch: usize) -> Option<&'a Speed> {
    packed.speeds.iter().find(|s| s.batch == batch)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The networks, with the cost of each by its index, in figures and in words.
fn spots(packed: &[Packed], cost: impl Fn(usize) -> (f64, String)) -> Vec<Spot> {
    let one_each = one_network_a_sparsity(packed);
    let spot = |(i, p): (usize, &Packed)| {
        let (sparsity, accuracy) = (p.of.sparsity.of_prunable, p.of.verification.packed);
        let (cost, says) = cost(i);
        let share = percent(sparsity, 1);
        Spot {
            says: format!(
                "{}, {}, {share} pruned: {says}, {}",
                p.run.label,
                p.of.kind(),
                percent(accuracy, 2)
            ),
            label: if one_each { share } else { format::middle(&p.run.label, LABEL) },
            values: p.of.kind(),
            sparsity,
            accuracy,
            cost,
        }
    };
    packed.iter().enumerate().map(spot).collect()
}

fn dense_spot(accuracy: f64, cost: f64, says: &str) -> Spot {
    let says = format!("dense: {says}, {}", percent(accuracy, 2));
    let (label, values) = ("dense".to_owned(), String::new());
    Spot { label, says, values, sparsity: 0.0, accuracy, cost }
}

/// Whether a sparsity says which network it is.
fn one_network_a_sparsity(packed: &[Packed]) -> bool {
    let same = |a: &Packed, b: &Packed| {
        a.run.stage != b.run.stage
            && percent(a.of.sparsity.of_prunable, 1) == percent(b.of.sparsity.of_prunable, 1)
    };
    !packed.iter().any(|a| packed.iter().any(|b| same(a, b)))
}

/// Labels of the runs, the dense network's at the end.
fn runs<'a>(packed: &'a [Packed]) -> impl Iterator<Item = &'a str> {
    packed.iter().map(|p| p.run.label.as_str()).chain(["dense"])
}

fn fields<'a>(spot: &'a Spot, run: &'a str) -> [Field<'a>; 4] {
    let numbers = (Field::Number(spot.sparsity), Field::Number(spot.accuracy));
    [Field::Text(run), Field::Text(&spot.values), numbers.0, numbers.1]
}
