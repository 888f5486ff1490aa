//! Convolution of one image in groups: each group's few inputs are copied, if they need be, and read while
//! they are near.
#![allow(unsafe_code, reason = "outputs are written by several tasks")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::panels::{Panels, Part};
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
    /// A list an output.
    Lists(Lists),
    /// Of groups that have whole panels of outputs.
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
/// Values of a group's source that vectors are computed from together: 128 KiB.
const NEAR: usize = 32 << 10;

impl Grouped {
    /// Arranges the weights of `weight`, `outputs x inputs/groups x kernel`; where `sparse` without
    /// those that are zero.
    pub fn new(conv: &Conv, weight: &[f32], sparse: bool) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let (taps, reader) = (conv.taps(), Reader::new(conv));
        let at = |i: usize| i / taps.len() * reader.layout.channel + taps[i % taps.len()];
        let each = conv.output.channels / conv.groups;
        let weights = if !sparse && each.is_multiple_of(ROWS) {
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
        let (inputs, each) =
            (conv.input.channels / conv.groups, conv.output.channels / conv.groups);
        let out = &Shared::new(y);
        // Outputs that are computed together.
        let unit = match &self.weights {
            Weights::Lists(_) => 1,
            Weights::Panels(_) => ROWS,
        };
        // Tasks of one group copy it each.
        let most = if self.reader.copies() {
            conv.groups.max(rayon::current_num_threads())
        } else {
            conv.output.channels
        };
        let tasks = worthwhile(conv, WORK, tasks).min(most);
        parts(conv.output.channels / unit, tasks, |all| {
            let all = all.start * unit..all.end * unit;
            scratch::with(conv.copied(inputs), |room| {
                for group in all.start / each..all.end.div_ceil(each) {
                    let source = group * inputs..(group + 1) * inputs;
                    let source = self.reader.source_of(x, source, room);
                    let source = &source[self.reader.layout.first..];
                    // Of fewer groups than tasks several have a part each.
                    let outputs = all.start.max(group * each)..all.end.min((group + 1) * each);
                    isa::dispatch(Task { grouped: self, source, end, outputs, out });
                }
            });
        });
    }
}

struct Task<'a> {
    grouped: &'a Grouped,
    /// From where the group's first window reads.
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
        let read = input.channels / groups * layout.read(COLUMNS * LANES);
        let each = (NEAR / read).max(1) * COLUMNS;
        let finish = Finish::new(end, out);
        for first in (0..vectors).step_by(each) {
            let tile = first..vectors.min(first + each);
            let (read, steps) = (&source[first * LANES..], 0..grouped.conv.row());
            let part = Part { panels, read, vectors: &tile, steps, end, finish, out };
            for panel in outputs.start / ROWS..outputs.end / ROWS {
                // SAFETY: as for lists.
                unsafe { part.add(simd, panel) };
            }
        }
    }
}
