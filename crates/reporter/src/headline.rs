//! The outcome in one sentence and a few figures.

use artifact::record::{Deployment, Scores, Sparsity, Training};
use artifact::size::thousands;
use serde::Serialize;

use crate::chain::Record;
use crate::deployed::{Compared, compared};
use crate::format::{
    bytes, bytes_like, faster, milliseconds, percent, short, signed_points, times,
};
use crate::view::{Packed, Run, View};

/// A loss of validation accuracy up to this counts as as good as dense.
const TOLERATED: f64 = 0.01;

/// A figure to be seen at once.
#[derive(Serialize)]
pub struct Tile {
    /// What is measured.
    pub label: &'static str,
    /// The figure.
    pub value: String,
    /// What to hold it against.
    pub note: String,
}

/// The outcome in a sentence.
pub fn sentence(view: &View) -> String {
    let tuned = view.runs.iter().filter(|r| outcome(view, r).is_some()).count();
    match chosen(view) {
        Some(run) if tuned > 1 => {
            let why = reason(view, run);
            format!("Of {tuned} pruned networks, {} is {why}: {}.", run.label, of_run(view, run))
        }
        Some(run) => format!("{}.", of_run(view, run)),
        None => format!("{}.", of_scan(view)),
    }
}

/// The figures of the run that the sentence is about.
pub fn tiles(view: &View) -> Vec<Tile> {
    let Some((run, left)) = chosen(view).and_then(|r| Some((r, view.sparsity(r)?))) else {
        return vec![];
    };
    let (dense, ideal) = (left.parameters * 4, left.nonzero * 4);
    let mut tiles = accuracy_tile(view, run);
    if left.pruned == 0 {
        tiles.push(tile("Parameters", thousands(left.parameters), "trainable".into()));
        tiles.push(tile("Ideal size", bytes(ideal), "32 bit a parameter".into()));
        tiles.push(tile("Work an image", short(left.macs_dense as f64), "MACs".into()));
        return tiles;
    }
    let of_all = format!("{} of all parameters are zero", percent(left.of_all, 1));
    tiles.push(tile("Weights pruned", percent(left.of_prunable, 1), of_all));
    let packed = view.fastest_of(run);
    tiles.push(packed.map_or_else(|| ideal_tile(dense, ideal), |p| file_tile(p.of, ideal)));
    tiles.extend(packed.and_then(|packed| time_tile(view, packed)));
    let (full, some) = (left.macs_dense, left.macs_sparse);
    let note = format!("MACs of {}, {} fewer", short(full as f64), times(full, some));
    tiles.push(tile("Work an image", short(some as f64), note));
    tiles
}

fn ideal_tile(dense: u64, ideal: u64) -> Tile {
    let note = format!("of {}, {} smaller", bytes(dense), times(dense, ideal));
    tile("Ideal size", bytes_like(ideal, dense), note)
}

fn file_tile(packed: &Deployment, ideal: u64) -> Tile {
    let (now, dense) = (packed.bytes, packed.dense_bytes);
    let ideal = bytes_like(ideal, dense);
    let kind = packed.kind();
    let note = format!("{kind}; of {}, {} smaller; ideal {ideal}", bytes(dense), times(dense, now));
    tile("Packed file", bytes_like(now, dense), note)
}

fn time_tile(view: &View, packed: Packed) -> Option<Tile> {
    let Compared { now, dense, values, batch } = compared(view, packed)?;
    let against = format!("{}, {}", milliseconds(dense, dense), faster(dense, now));
    let note = format!("dense {values}{against}; batch {batch}");
    Some(tile("Time an image", format!("{} ms", milliseconds(now, now)), note))
}

fn tile(label: &'static str, value: String, note: String) -> Tile {
    Tile { label, value, note }
}

fn accuracy_tile(view: &View, run: &Run) -> Vec<Tile> {
    let dense = view.training(run);
    let (value, note) = match (outcome(view, run), dense) {
        (Some(tuned), dense) => {
            let value = test_accuracy(view, run, tuned);
            (value, dense.map_or("under its masks".to_owned(), |dense| against(value, dense)))
        }
        (None, Some(dense)) => (dense.scores.test.accuracy, "dense".to_owned()),
        (None, None) => return vec![],
    };
    vec![tile("Test accuracy", percent(value, 1), note)]
}

/// The test accuracy to show: the packed network's if its values are rounded, otherwise the checkpoint's.
fn test_accuracy(view: &View, run: &Run, tuned: &Scores) -> f64 {
    let rounded = view.fastest_of(run).filter(|p| p.of.values != "f32");
    rounded.map_or(tuned.test.accuracy, |p| p.of.verification.packed)
}

fn against(accuracy: f64, dense: &Training) -> String {
    let dense = dense.scores.test.accuracy;
    format!("{} points against {}", signed_points(accuracy - dense, 1), percent(dense, 1))
}

/// The scores of a network that was trained under its masks.
fn outcome<'a>(view: &'a View, run: &Run) -> Option<&'a Scores> {
    match &view.stage(run).record {
        Record::Finetuning(tuned) => Some(&tuned.tuned),
        Record::SparseTraining(trained) => Some(&trained.scores),
        _ => None,
    }
}

/// Points of validation accuracy lost; the test set chooses nothing.
fn lost(view: &View, run: &Run) -> Option<f64> {
    let tuned = outcome(view, run)?.validation.accuracy;
    Some(view.training(run)?.scores.validation.accuracy - tuned)
}

/// The run to speak of: the sparsest that is about as good as dense, the best of equally sparse
/// ones, else the least bad.
fn chosen(view: &View) -> Option<&Run> {
    let sparsity = |r: &Run| view.sparsity(r).map_or(0.0, |s| s.of_prunable);
    let measured = || view.runs.iter().filter_map(|r| Some((r, lost(view, r)?)));
    let good = measured().filter(|(_, lost)| *lost <= TOLERATED);
    let sparsest = good
        .max_by(|(a, x), (b, y)| sparsity(a).total_cmp(&sparsity(b)).then(y.total_cmp(x)))
        .map(|(r, _)| r);
    let least = measured().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(r, _)| r);
    sparsest.or(least).or(view.runs.last())
}

fn reason(view: &View, run: &Run) -> &'static str {
    match lost(view, run) {
        Some(lost) if lost <= TOLERATED => "the sparsest within 1 point of dense (validation)",
        Some(_) => "the best (validation)",
        None => "the last",
    }
}

fn of_run(view: &View, run: &Run) -> String {
    let Some(left) = view.sparsity(run) else {
        return String::new();
    };
    let (pruned, dense) = (pruned(view, run, left), view.training(run));
    let size = view.fastest_of(run).map_or_else(|| ideal(left), |p| measured(view, p));
    match (outcome(view, run), dense) {
        (Some(tuned), Some(dense)) => {
            let (before, after) = (dense.scores.test.accuracy, test_accuracy(view, run, tuned));
            format!(
                "{pruned}; {} → {} test accuracy ({} points); {size}",
                percent(before, 1),
                percent(after, 1),
                signed_points(after - before, 1)
            )
        }
        (Some(tuned), None) => {
            let after = percent(test_accuracy(view, run, tuned), 1);
            format!("{pruned}; {after} test accuracy; {size}")
        }
        (None, _) if matches!(view.stage(run).record, Record::Pruning(_)) => {
            format!("{pruned}, not yet fine-tuned; {size}")
        }
        _ => of_dense(dense, left.parameters),
    }
}

fn ideal(left: &Sparsity) -> String {
    let (full, ideal) = (left.parameters * 4, left.nonzero * 4);
    format!("ideal size {} → {}", bytes(full), bytes_like(ideal, full))
}

fn measured(view: &View, packed: Packed) -> String {
    let dense = packed.of.dense_bytes;
    let size = format!("file {} → {}", bytes(dense), bytes_like(packed.of.bytes, dense));
    compared(view, packed).map_or(size.clone(), |Compared { now, dense, values, .. }| {
        let (now, dense) = (milliseconds(now, now), milliseconds(dense, dense));
        let kind =
            if values.is_empty() { String::new() } else { format!(" in {}", packed.of.kind()) };
        format!("{size}; {values}{dense} → {now} ms an image{kind}")
    })
}

fn pruned(view: &View, run: &Run, left: &Sparsity) -> String {
    let share = percent(left.of_prunable, 1);
    match view.chain.round(run.stage) {
        0 | 1 => format!("{share} of the weights pruned"),
        rounds => format!("{share} of the weights pruned in {rounds} rounds"),
    }
}

fn of_dense(dense: Option<&Training>, parameters: u64) -> String {
    let accuracy = dense.map_or(f64::NAN, |t| t.scores.test.accuracy);
    format!(
        "A dense network of {} parameters: {} test accuracy; ideal size {}",
        thousands(parameters),
        percent(accuracy, 1),
        bytes(parameters * 4)
    )
}

fn of_scan(view: &View) -> String {
    let rows = view.scans.iter().filter_map(|&i| view.scan(i)).flat_map(|s| &s.rows);
    match rows.max_by(|a, b| a.drop.total_cmp(&b.drop)) {
        None => "An empty scan".to_owned(),
        Some(worst) => format!(
            "The most sensitive layer is {}: {} of it pruned changes validation accuracy by {} points",
            worst.layer,
            percent(worst.ratio, 0),
            signed_points(-worst.drop, 1)
        ),
    }
}
