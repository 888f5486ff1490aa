//! Packed networks: bytes on disk, answers beside the checkpoint's, milliseconds beside the dense.

use artifact::size::thousands;
use artifact::timings::Speed;
use serde::Serialize;

use crate::format::{faster, middle, milliseconds, percent, times};
use crate::view::{Packed, View};

/// A packed network as the page shows it.
#[derive(Serialize)]
pub struct Row {
    label: String,
    values: String,
    sparsity: String,
    bytes: String,
    dense: String,
    smaller: String,
    ideal: String,
    same: String,
    images: String,
    checkpoint: String,
    packed: String,
    difference: String,
    /// Threads and processor, in words.
    conditions: Vec<String>,
    speeds: Vec<SpeedRow>,
}

/// One batch size.
#[derive(Serialize)]
struct SpeedRow {
    batch: String,
    milliseconds: String,
    spread: String,
    dense: String,
    against: String,
    images: String,
}

impl Row {
    /// The row of one network.
    pub fn of(packed: &Packed) -> Self {
        let (d, v) = (packed.of, &packed.of.verification);
        let whole = d.dense_bytes;
        Self {
            label: packed.run.label.clone(),
            values: d.kind(),
            sparsity: percent(d.sparsity.of_prunable, 2),
            bytes: thousands(d.bytes),
            dense: thousands(whole),
            smaller: times(whole, d.bytes),
            ideal: thousands(d.sparsity.nonzero * 4),
            same: thousands(v.same as u64),
            images: thousands(v.images as u64),
            checkpoint: percent(v.checkpoint, 2),
            packed: percent(v.packed, 2),
            difference: format!("{:.0e}", v.difference),
            conditions: conditions(&[*packed]),
            speeds: packed.speeds.iter().map(SpeedRow::of).collect(),
        }
    }
}

impl SpeedRow {
    fn of(speed: &Speed) -> Self {
        let (now, dense) = (speed.milliseconds, speed.dense_milliseconds);
        Self {
            batch: speed.batch.to_string(),
            milliseconds: milliseconds(now, now),
            spread: milliseconds(speed.spread, now),
            dense: milliseconds(dense, dense),
            against: faster(dense, now),
            images: thousands((1e3 / now).round() as u64),
        }
    }
}

/// The threads and processors on which `packed` were timed, each once.
pub fn conditions(packed: &[Packed]) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for speed in packed.iter().flat_map(|p| p.speeds) {
        let s = if speed.threads == 1 { "" } else { "s" };
        let says = format!("{} thread{s}, {}", speed.threads, speed.processor);
        if !all.contains(&says) {
            all.push(says);
        }
    }
    all
}

/// The time of the largest batch.
pub fn throughput<'a>(packed: &Packed<'a>) -> Option<&'a Speed> {
    packed.speeds.iter().max_by_key(|s| s.batch)
}

/// Milliseconds of a packed network beside those of a dense one.
pub struct Compared {
    pub now: f64,
    pub dense: f64,
    /// What the dense one computes with, where it is not what the packed one does.
    pub values: &'static str,
    pub batch: usize,
}

/// `packed` beside the dense network in f32 where that was timed on the same machine; otherwise beside itself
/// without skipping.
pub fn compared(view: &View, packed: Packed) -> Option<Compared> {
    let speed = throughput(&packed)?;
    let own = Compared {
        now: speed.milliseconds,
        dense: speed.dense_milliseconds,
        values: "",
        batch: speed.batch,
    };
    let floats = view.packed_of(packed.run).filter(|p| p.of.activations == "f32");
    let same = |other: &&Speed| {
        let key = |s: &Speed| (s.batch, s.threads, s.processor.clone());
        key(other) == key(speed)
    };
    let mut dense = floats.filter_map(|p| p.speeds.iter().find(same));
    Some(match dense.next() {
        Some(dense) if packed.of.activations != "f32" => {
            Compared { dense: dense.dense_milliseconds, values: "f32 ", ..own }
        }
        _ => own,
    })
}

/// What a terminal of 80 columns is told; milliseconds are those of an image.
pub fn line(view: &View, packed: Packed) -> String {
    let d = packed.of;
    let speed =
        compared(view, packed).map_or(String::new(), |Compared { now, dense, values, .. }| {
            let (against, now, dense) =
                (faster(dense, now), milliseconds(now, now), milliseconds(dense, dense));
            format!(", {against}: {now} ms (dense {values}{dense})")
        });
    let rest = format!(", {}: {} smaller{speed}", d.kind(), times(d.dense_bytes, d.bytes));
    let room = 80_usize.saturating_sub(rest.chars().count()).max(8);
    format!("{}{rest}", middle(&packed.run.label, room))
}
