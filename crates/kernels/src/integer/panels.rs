//! All weights, by quads of outputs.

use std::ops::Range;

use rayon::prelude::*;

use super::dot::word;
use super::light::{Quad, lightened};
use super::lists::{Entry, Lists, Tensor, paired};
use crate::conv::stencil::Stencil;
use crate::conv::tiling::Tiling;

/// The weights of four outputs for two (quad of inputs, tap).
pub(super) type Panel = [[i32; 4]; 2];

/// The weights of quads of outputs, two and two (quad of inputs, tap) of each chunk of channels.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    words: Vec<Panel>,
    /// Panels of a quad of outputs.
    row: usize,
    /// Where each (quad of inputs, tap) of each chunk reads; of an odd number the last twice.
    taps: Vec<Vec<[u32; 2]>>,
}

impl Panels {
    /// Those of `tensor`, and what is left of it: where sums must be `light`, weights are taken out until they
    /// are.
    pub fn new(s: &Stencil, tiling: &Tiling, tensor: Tensor, light: bool) -> (Self, Lists) {
        let taps = s.taps.len();
        let chunks: Vec<Range<usize>> = (0..s.channels)
            .step_by(tiling.chunk)
            .map(|first| first * taps..(first + tiling.chunk).min(s.channels) * taps)
            .collect();
        let quads = |output: usize, chunk: &Range<usize>, pair: usize| -> [Quad; 2] {
            std::array::from_fn(|k| {
                let i = chunk.start + 2 * pair + k;
                let real = i < chunk.end;
                if real { tensor.quad(output, i / taps, s.taps[i % taps].index) } else { [0; 4] }
            })
        };
        let kept = |output: usize, chunk: &Range<usize>, pair: usize| {
            let quads = quads(output, chunk, pair);
            if light { lightened(quads)[0] } else { quads }
        };
        let panel = |first: usize, chunk: &Range<usize>, pair: usize| -> Panel {
            let outputs: [[Quad; 2]; 4] = std::array::from_fn(|r| kept(first + r, chunk, pair));
            std::array::from_fn(|k| outputs.map(|quads| word(quads[k])))
        };
        let pairs = |chunk: &Range<usize>| chunk.len().div_ceil(2);
        let of = |quad: usize| -> Vec<Panel> {
            let chunks = chunks.iter();
            chunks.flat_map(|c| (0..pairs(c)).map(move |i| panel(quad * 4, c, i))).collect()
        };
        let each: Vec<Vec<Panel>> = (0..s.outputs).into_par_iter().map(of).collect();
        let at = tiling.taps(s);
        let places = |chunk: &Range<usize>| -> Vec<[u32; 2]> {
            let both = |two: &[u32]| [two[0], two[two.len() - 1]];
            at[..chunk.len()].chunks(2).map(both).collect()
        };
        let own = Self {
            words: each.concat(),
            row: chunks.iter().map(pairs).sum(),
            taps: chunks.iter().map(places).collect(),
        };
        let at = &at;
        let rest = Lists::of(chunks.len(), tensor.outputs, |chunk, output| {
            let chunk = &chunks[chunk];
            let left = |pair: usize| {
                let quads =
                    if light { lightened(quads(output, chunk, pair))[1] } else { [[0; 4]; 2] };
                let entry = move |k: usize| Entry { at: at[2 * pair + k], weights: quads[k] };
                (0..2).filter(move |k| quads[*k] != [0; 4]).map(entry).collect::<Vec<_>>()
            };
            paired(&(0..pairs(chunk)).flat_map(left).collect::<Vec<Entry>>(), light)
        });
        (own, rest)
    }

    /// The weights of `quad` of outputs for chunk `chunk`, and where they read.
    pub fn of(&self, quad: usize, chunk: usize) -> (&[Panel], &[[u32; 2]]) {
        let before: usize = self.taps[..chunk].iter().map(Vec::len).sum();
        let taps = &self.taps[chunk];
        (&self.words[quad * self.row + before..][..taps.len()], taps)
    }
}
