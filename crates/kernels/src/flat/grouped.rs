//! Convolution of one image in groups: the few inputs of each group are copied, if necessary, and read while
//! they are still in the cache.
#![allow(unsafe_code, reason = "outputs are written by several tasks")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::panels::{Panels, PartialProduct};
use super::reader::Reader;
use super::sparse::{Entry, Stretch, Sums, tiles};
use super::split::worthwhile;
use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::Finish;
use crate::conv::micro::{COLUMNS, ROWS};
use crate::shared::Shared;
use crate::{LANES, isa, scratch};

/// The weights of a convolution in groups.
pub struct Grouped {
    conv: Conv,
    reader: Reader,
    weights: Weights,
    sparse: bool,
}

enum Weights {
    /// A list of entries for each output.
    Lists(Lists),
    /// Packed panels; the outputs of each group fill whole ones.
    Panels(Panels),
}

struct Lists {
    entries: Vec<Entry>,
    /// Where the entries of each output begin; one more than there are.
    starts: Vec<u32>,
    tiles: Vec<Range<usize>>,
    keep: Vec<f32>,
}

/// Multiply-adds of a task that make the time to hand it to another thread negligible.
const WORK: usize = 100_000;
/// Values of a group's source that a tile reads, about: 128 KiB.
const CACHED_VALUES: usize = 32 << 10;

impl Grouped {
    /// Arranges the weights of `weight`, `outputs x inputs/groups x kernel`; where `sparse` without
    /// those that are zero.
    pub fn new(conv: &Conv, weight: &[f32], sparse: bool) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let (taps, reader) = (conv.taps(), Reader::new(conv));
        let at = |i: usize| i / taps.len() * reader.layout.channel + taps[i % taps.len()];
        let outputs_per_group = conv.output.channels / conv.groups;
        let weights = if !sparse && outputs_per_group.is_multiple_of(ROWS) {
            Weights::Panels(Panels::new(conv, weight, (0..conv.row()).map(at)))
        } else {
            let (mut entries, mut starts) = (Vec::new(), vec![0]);
            for row in weight.chunks_exact(conv.row()) {
                let kept = row.iter().enumerate().filter(|(_, v)| !sparse || **v != 0.0);
                entries.extend(kept.map(|(i, value)| Entry::new(at(i), *value)));
                starts.push(entries.len() as u32);
            }
            let (tiles, keep) = (tiles(conv.output), conv.output.keep());
            Weights::Lists(Lists { entries, starts, tiles, keep })
        };
        Self { conv: *conv, reader, weights, sparse }
    }

    /// Whether zeros are left out.
    pub fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// `y = end(conv(x))`, split into at most `tasks` parts for several threads.
    pub fn forward(&self, x: &[f32], end: &Epilogue, y: &mut [f32], tasks: usize) {
        let conv = &self.conv;
        conv.check((x.len(), 0, y.len()));
        conv.check_epilogue(end);
        let inputs = conv.input.channels / conv.groups;
        let outputs_per_group = conv.output.channels / conv.groups;
        let out = &Shared::new(y);
        // Outputs that are computed together, and weights that are.
        let (unit, weights) = match &self.weights {
            Weights::Lists(lists) => (1, lists.entries.len()),
            Weights::Panels(_) => (ROWS, conv.weight_len()),
        };
        // Tasks that share a group each copy it.
        let most = if self.reader.is_copied() {
            conv.groups.max(rayon::current_num_threads())
        } else {
            conv.output.channels
        };
        let tasks = worthwhile(weights * conv.output.pixels(), WORK, tasks).min(most);
        let room = conv.copied(inputs);
        parts(conv.output.channels / unit, tasks, |units| {
            let range = units.start * unit..units.end * unit;
            scratch::with(room, |room| {
                for group in range.start / outputs_per_group..range.end.div_ceil(outputs_per_group)
                {
                    let channels = group * inputs..(group + 1) * inputs;
                    let source = self.reader.source_of(x, channels, room);
                    let source = &source[self.reader.layout.first..];
                    // Where there are fewer groups than tasks, several tasks share a group.
                    let first = range.start.max(group * outputs_per_group);
                    let outputs = first..range.end.min((group + 1) * outputs_per_group);
                    isa::dispatch(Task { grouped: self, source, end, outputs, out });
                }
            });
        });
    }
}

struct Task<'a> {
    grouped: &'a Grouped,
    /// The group's source, starting where its first window reads.
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    /// Outputs of one group.
    outputs: Range<usize>,
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let map = self.grouped.conv.output;
        for o in self.outputs.clone() {
            // SAFETY: this output belongs to this task alone.
            unsafe { map.clear_margins(o, self.out) };
        }
        match &self.grouped.weights {
            Weights::Lists(lists) => self.lists(simd, lists),
            Weights::Panels(panels) => self.panels(simd, panels),
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn lists<S: Simd>(&self, simd: S, lists: &Lists) {
        let Self { grouped, source, end, outputs, out } = self;
        let sums = Sums { map: grouped.conv.output, keep: &lists.keep, source, end, out };
        for o in outputs.clone() {
            let entries = lists.starts[o] as usize..lists.starts[o + 1] as usize;
            let all = Stretch { entries: &lists.entries[entries], begins: true, ends: true };
            for tile in &lists.tiles {
                // SAFETY: entries reach no farther than `source` has been checked to; this output
                // belongs to this task alone.
                unsafe { sums.add(simd, o, tile.clone(), all) };
            }
        }
    }

    #[inline(always)]
    fn panels<S: Simd>(&self, simd: S, panels: &Panels) {
        let Self { grouped, source, end, outputs, out } = self;
        let Conv { input, output, groups, .. } = grouped.conv;
        let (vectors, layout) = (output.vectors(), grouped.reader.layout);
        let per_column = input.channels / groups * layout.read(COLUMNS * LANES);
        let tile_len = (CACHED_VALUES / per_column).max(1) * COLUMNS;
        let finish = Finish::new(end, out);
        for first in (0..vectors).step_by(tile_len) {
            let tile = first..vectors.min(first + tile_len);
            let (read, steps) = (&source[first * LANES..], 0..grouped.conv.row());
            let vectors = &tile;
            let product = PartialProduct { panels, read, vectors, steps, end, finish, out };
            for panel in outputs.start / ROWS..outputs.end / ROWS {
                // SAFETY: as for lists.
                unsafe { product.add(simd, panel) };
            }
        }
    }
}
