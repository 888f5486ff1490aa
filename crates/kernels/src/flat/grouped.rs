//! Convolution of one image in groups, depthwise among them: each group's few inputs are copied, if they
//! need be, and read while they are near.
#![allow(unsafe_code, reason = "outputs are written by several tasks")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::reader::Reader;
use super::sparse::{Entry, Stretch, Sums, tiles};
use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::shared::Shared;
use crate::{isa, scratch};

/// The weights of a convolution in groups, by output.
#[derive(Debug, Clone)]
pub struct Grouped {
    conv: Conv,
    entries: Vec<Entry>,
    /// Where the entries of each output begin; one more than there are.
    starts: Vec<u32>,
    reader: Reader,
    tiles: Vec<Range<usize>>,
    keep: Vec<f32>,
    sparse: bool,
}

impl Grouped {
    /// Arranges the weights of `weight`, `outputs x inputs/groups x kernel`; where `sparse` without
    /// those that are zero.
    pub fn new(conv: &Conv, weight: &[f32], sparse: bool) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        let (taps, reader) = (conv.taps(), Reader::new(conv));
        let (mut entries, mut starts) = (Vec::new(), vec![0]);
        for row in weight.chunks_exact(conv.row()) {
            let kept = row.iter().enumerate().filter(|(_, v)| !sparse || **v != 0.0);
            entries.extend(kept.map(|(i, value)| {
                let channel = i / taps.len() * reader.layout.channel;
                Entry::new(channel + taps[i % taps.len()], *value)
            }));
            starts.push(entries.len() as u32);
        }
        let (tiles, keep) = (tiles(conv.output), conv.output.keep());
        Self { conv: *conv, entries, starts, reader, tiles, keep, sparse }
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
        parts(conv.output.channels, tasks, |all| {
            scratch::with(conv.copied(inputs), |room| {
                for group in all.start / each..all.end.div_ceil(each) {
                    let source = group * inputs..(group + 1) * inputs;
                    let source = self.reader.source_of(x, source, room);
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
    /// From the group's first channel on.
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
        let Self { grouped, source, end, outputs, out } = self;
        let map = grouped.conv.output;
        let source = &source[grouped.reader.layout.first..];
        let sums = Sums { map, keep: &grouped.keep, source, end, out };
        for o in outputs {
            // SAFETY: this output belongs to this task alone.
            unsafe { map.clear_margins(o, out) };
            let entries = grouped.starts[o] as usize..grouped.starts[o + 1] as usize;
            let all = Stretch { entries: &grouped.entries[entries], begins: true, ends: true };
            for tile in &grouped.tiles {
                // SAFETY: entries reach no farther than `source` has been checked to; this output
                // belongs to this task alone.
                unsafe { sums.add(simd, o, tile.clone(), all) };
            }
        }
    }
}
