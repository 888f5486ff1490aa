//! All weights, by quads of outputs.

use std::ops::Range;

use rayon::prelude::*;

use super::dot::word;
use super::lists::{Entry, Lists, paired};
use super::narrow::split_to_fit;
use super::quads::{Quad, Quads};
use crate::conv::stencil::Stencil;
use crate::conv::tiling::Tiling;

/// The weights of four outputs for two (quad of inputs, tap).
pub(super) type Panel = [[i32; 4]; 2];

/// Panels of a quad of outputs for a chunk of channels.
#[derive(Clone, Copy)]
pub(super) struct ChunkPanels<'a> {
    pub panels: &'a [Panel],
    /// Where both of each panel read.
    pub taps: &'a [[u32; 2]],
}

/// The weights of quads of outputs: for each chunk of channels, (quad of inputs, tap) in pairs.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    words: Vec<Panel>,
    /// Panels of a quad of outputs.
    row: usize,
    /// Where each (quad of inputs, tap) of each chunk reads; where their number is odd, the last one
    /// twice.
    taps: Vec<Vec<[u32; 2]>>,
}

impl Panels {
    /// The panels of `quads`, and lists of what they leave out: with `narrow_sums`, weights that could
    /// saturate a sum of sixteen bits.
    pub fn new(s: &Stencil, tiling: &Tiling, quads: &Quads, narrow_sums: bool) -> (Self, Lists) {
        let taps = s.taps.len();
        let chunks: Vec<Range<usize>> = (0..s.channels)
            .step_by(tiling.chunk)
            .map(|first| first * taps..(first + tiling.chunk).min(s.channels) * taps)
            .collect();
        let pairs = |chunk: &Range<usize>| chunk.len().div_ceil(2);
        // The quads of an output in pairs, chunk by chunk: what its panels hold, and what they leave out.
        let split = |output: usize| -> Vec<[[Quad; 2]; 2]> {
            // The last quad of outputs may be narrower.
            let quad = |i: usize| {
                if output >= quads.outputs() {
                    return [0; 4];
                }
                quads.of(output, i / taps)[s.taps[i % taps].index]
            };
            let both =
                |i: usize, end: usize| [quad(i), if i + 1 < end { quad(i + 1) } else { [0; 4] }];
            let of = |chunk: &Range<usize>| {
                let end = chunk.end;
                chunk.clone().step_by(2).map(move |i| both(i, end)).collect::<Vec<_>>()
            };
            let parted =
                |quads| if narrow_sums { split_to_fit(quads) } else { [quads, [[0; 4]; 2]] };
            chunks.iter().flat_map(of).map(parted).collect()
        };
        let outputs: Vec<Vec<_>> = (0..4 * s.outputs).into_par_iter().map(split).collect();
        let row: usize = chunks.iter().map(pairs).sum();
        let panel = |quad: usize, pair: usize| -> Panel {
            std::array::from_fn(|k| {
                std::array::from_fn(|r| word(outputs[4 * quad + r][pair][0][k]))
            })
        };
        let panels = |quad: usize| (0..row).map(move |pair| panel(quad, pair));
        let at = tiling.taps(s);
        let places = |chunk: &Range<usize>| -> Vec<[u32; 2]> {
            let both = |two: &[u32]| [two[0], two[two.len() - 1]];
            at[..chunk.len()].chunks(2).map(both).collect()
        };
        let own = Self {
            words: (0..s.outputs).flat_map(panels).collect(),
            row,
            taps: chunks.iter().map(places).collect(),
        };
        if !narrow_sums {
            return (own, Lists::none(chunks.len(), quads.outputs()));
        }
        let rest = Lists::of(chunks.len(), quads.outputs(), |chunk, output| {
            let before: usize = chunks[..chunk].iter().map(pairs).sum();
            let own = &outputs[output][before..][..pairs(&chunks[chunk])];
            let all = own.iter().flat_map(|[_, left]| left).zip(&at);
            let left = all.filter(|(quad, _)| **quad != [0; 4]);
            paired(
                &left.map(|(quad, at)| Entry { at: *at, weights: *quad }).collect::<Vec<_>>(),
                true,
            )
        });
        (own, rest)
    }

    /// The weights of `quad` of outputs for chunk `chunk`.
    pub fn of(&self, quad: usize, chunk: usize) -> ChunkPanels<'_> {
        let before: usize = self.taps[..chunk].iter().map(Vec::len).sum();
        let taps = &self.taps[chunk];
        ChunkPanels { panels: &self.words[quad * self.row + before..][..taps.len()], taps }
    }
}
