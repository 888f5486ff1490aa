//! The kept weights of a stencil in the order in which they are used.

use std::ops::Range;

use rayon::prelude::*;

use super::super::direct::Order;
use super::super::stencil::Stencil;
use super::super::tiling::{Share, Tiling};

/// Outputs from which on a source is worth copying to the first-level cache.
const MANY: usize = 192;

/// Entries set at a time.
const PIECE: usize = 1 << 12;

/// A kept weight.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Entry {
    /// Where it reads, from where the window stands.
    pub at: u32,
    /// Its value.
    pub value: f32,
}

/// The kept weights, by chunk of channels, then by output.
#[derive(Debug, Clone)]
pub(super) struct List {
    entries: Vec<Entry>,
    /// Which weight of the tensor each entry is.
    index: Vec<u32>,
    /// Where the entries of (chunk, output) begin; one more than there are.
    starts: Vec<u32>,
    outputs: usize,
}

impl List {
    /// The weights of `s` that `kept` names, all zero as yet.
    pub(super) fn new(s: &Stencil, kept: &[bool], order: Order) -> Self {
        let tiling = tiling(s);
        let places: Vec<usize> = s.taps.iter().map(|tap| tiling.tap(s, *tap)).collect();
        let mut list = Self { entries: vec![], index: vec![], starts: vec![0], outputs: s.outputs };
        for first in (0..s.channels).step_by(tiling.chunk) {
            for output in 0..s.outputs {
                for channel in first..(first + tiling.chunk).min(s.channels) {
                    for (tap, place) in s.taps.iter().zip(&places) {
                        let i = output * order.output + channel * order.channel + tap.index;
                        if kept[i] {
                            let at = tiling.channel(channel - first) + place;
                            let at = u32::try_from(at).expect("a block has fewer than 2^32 values");
                            list.entries.push(Entry { at, value: 0.0 });
                            list.index.push(i as u32);
                        }
                    }
                }
                list.starts.push(list.entries.len() as u32);
            }
        }
        list
    }

    /// Takes over the values of `weight`.
    pub(super) fn set(&mut self, weight: &[f32]) {
        let pieces = self.entries.par_chunks_mut(PIECE).zip(self.index.par_chunks(PIECE));
        pieces.for_each(|(entries, index)| {
            for (entry, index) in entries.iter_mut().zip(index) {
                entry.value = weight[*index as usize];
            }
        });
    }

    /// Weights kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries of chunk `chunk` for `output`, as a range of all.
    pub(super) fn range(&self, chunk: usize, output: usize) -> Range<usize> {
        let i = chunk * self.outputs + output;
        self.starts[i] as usize..self.starts[i + 1] as usize
    }

    /// The entries of chunk `chunk` for all of `outputs`.
    pub(super) fn range_of(&self, chunk: usize, outputs: Range<usize>) -> Range<usize> {
        let first = chunk * self.outputs;
        self.starts[first + outputs.start] as usize..self.starts[first + outputs.end] as usize
    }

    /// Most entries of a chunk for `outputs`.
    pub(super) fn widest(&self, outputs: Range<usize>) -> usize {
        let chunks = 0..(self.starts.len() - 1) / self.outputs;
        chunks.map(|c| self.range_of(c, outputs.clone()).len()).max().unwrap_or(0)
    }

    /// Some entries.
    pub(super) fn entries(&self, range: Range<usize>) -> &[Entry] {
        &self.entries[range]
    }

    /// Which weight of the tensor each entry is.
    pub(super) fn index(&self) -> &[u32] {
        &self.index
    }
}

/// How the windows of `s` are shared out.
///
/// Every multiply-add reads a vector, so the source should be as near as can be. Where many outputs
/// read it, copying it piece by piece to the first-level cache pays; else the second must do.
pub(super) fn tiling(s: &Stencil) -> Tiling {
    // A vector is read once for each weight that reads it: only single pixels lie as well as a copy.
    let in_place = s.h * s.w == 1;
    if s.outputs >= MANY {
        return Tiling::new(s, Share { windows: 16, room: 20 << 10, in_place });
    }
    Tiling::new(s, Share { windows: 64, room: 64 << 10, in_place })
}
