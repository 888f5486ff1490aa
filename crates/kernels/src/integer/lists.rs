//! The weights that are kept, four at a time, in the order in which they are used.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::dot::word;
use super::narrow::{Quad, fits_i16, split_to_fit};
use crate::conv::stencil::Stencil;
use crate::conv::tiling::Tiling;

/// Two quads of weights, each reading at its own place; the second is zero where a quad has no partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// Where they read, from where the window stands, in words.
    pub at: [u32; 2],
    /// The weights, the first in the lowest byte.
    pub weights: [i32; 2],
}

/// Pairs by chunk of channels, then by output.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    pairs: Vec<Pair>,
    /// Where the pairs of (chunk, output) begin; one more than there are.
    starts: Vec<u32>,
    outputs: usize,
}

/// The weights of a convolution, `outputs x inputs x taps`, by quads of inputs.
#[derive(Clone, Copy)]
pub(super) struct Tensor<'a> {
    pub weights: &'a [i8],
    pub inputs: usize,
    pub outputs: usize,
    pub taps: usize,
}

impl Tensor<'_> {
    /// The weights of `output` for a tap of four inputs; zeros where there is none.
    pub fn quad(&self, output: usize, quad: usize, tap: usize) -> Quad {
        if output >= self.outputs {
            return [0; 4];
        }
        let row = &self.weights[output * self.inputs * self.taps..][..self.inputs * self.taps];
        let weight = |i: usize| row.get((quad * 4 + i) * self.taps + tap).copied().unwrap_or(0);
        std::array::from_fn(weight)
    }

    /// The sum of an output's weights.
    pub fn total(&self, output: usize) -> i32 {
        let row = self.inputs * self.taps;
        self.weights[output * row..(output + 1) * row].iter().map(|w| i32::from(*w)).sum()
    }
}

/// Weights of one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub at: u32,
    pub weights: Quad,
}

impl Lists {
    /// The lists that `rest` gives for each (chunk, output).
    pub fn of(
        chunks: usize,
        outputs: usize,
        rest: impl Fn(usize, usize) -> Vec<Pair> + Sync,
    ) -> Self {
        let each = (0..chunks * outputs).into_par_iter().map(|i| rest(i / outputs, i % outputs));
        let each: Vec<Vec<Pair>> = each.collect();
        let mut starts = vec![0];
        for pairs in &each {
            starts.push(starts[starts.len() - 1] + pairs.len() as u32);
        }
        Self { pairs: each.concat(), starts, outputs }
    }

    /// Empty lists.
    pub fn none(chunks: usize, outputs: usize) -> Self {
        Self { pairs: vec![], starts: vec![0; chunks * outputs + 1], outputs }
    }

    /// The quads of `tensor` that are not zero, for the windows of `s`; `narrow_sums` if the
    /// products of a pair must fit sixteen bits.
    pub fn new(s: &Stencil, tiling: &Tiling, tensor: Tensor, narrow_sums: bool) -> Self {
        let places: Vec<usize> = s.taps.iter().map(|tap| tiling.tap(s, *tap)).collect();
        Self::of(s.channels.div_ceil(tiling.chunk), tensor.outputs, |chunk, output| {
            let first = chunk * tiling.chunk;
            let mut entries = vec![];
            for quad in first..(first + tiling.chunk).min(s.channels) {
                for (tap, place) in s.taps.iter().zip(&places) {
                    let weights = tensor.quad(output, quad, tap.index);
                    if weights != [0; 4] {
                        let at = (tiling.channel(quad - first) + place) as u32;
                        entries.push(Entry { at, weights });
                    }
                }
            }
            paired(&entries, narrow_sums)
        })
    }

    /// The pairs of `chunk` for `output`.
    pub fn pairs(&self, chunk: usize, output: usize) -> &[Pair] {
        let i = chunk * self.outputs + output;
        let range: Range<usize> = self.starts[i] as usize..self.starts[i + 1] as usize;
        &self.pairs[range]
    }
}

/// The most entries that wait for a partner at a time.
const WAITING: usize = 16;

/// All `entries`, in pairs; `narrow_sums` as for [`Lists::new`].
pub(super) fn paired(entries: &[Entry], narrow_sums: bool) -> Vec<Pair> {
    let pair =
        |a: Entry, b: Entry| Pair { at: [a.at, b.at], weights: [word(a.weights), word(b.weights)] };
    let alone = |a: Entry| pair(a, Entry { weights: [0; 4], ..a });
    if !narrow_sums {
        let of = |two: &[Entry]| two.get(1).map_or_else(|| alone(two[0]), |b| pair(two[0], *b));
        return entries.chunks(2).map(of).collect();
    }
    let (mut pairs, mut waiting) = (vec![], VecDeque::<Entry>::new());
    let parts = entries.iter().flat_map(|entry| {
        let of = |[weights]: [Quad; 1]| Entry { weights, ..*entry };
        split_to_fit([entry.weights]).map(of).into_iter().filter(|part| part.weights != [0; 4])
    });
    for entry in parts {
        let found = waiting.iter().position(|other| fits_i16(&[other.weights, entry.weights]));
        if let Some(other) = found.and_then(|i| waiting.remove(i)) {
            pairs.push(pair(other, entry));
            continue;
        }
        if waiting.len() == WAITING {
            pairs.extend(waiting.pop_front().map(alone));
        }
        waiting.push_back(entry);
    }
    pairs.extend(waiting.into_iter().map(alone));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(all: &[Quad]) -> Vec<Entry> {
        all.iter().enumerate().map(|(i, w)| Entry { at: i as u32, weights: *w }).collect()
    }

    #[test]
    fn two_and_two() {
        let all = entries(&[[100, 0, 0, 0], [50, 0, 0, 0], [0, 0, 100, 0]]);
        let at =
            |narrow_sums| paired(&all, narrow_sums).iter().map(|pair| pair.at).collect::<Vec<_>>();
        assert_eq!(at(false), [[0, 1], [2, 2]]);
        // The first two add up to more than sixteen bits hold.
        assert_eq!(at(true), [[0, 2], [1, 1]]);
    }

    #[test]
    fn a_heavy_quad_is_two() {
        let pairs = paired(&entries(&[[127, 127, 0, 0]]), true);
        let weights: Vec<[i32; 2]> = pairs.iter().map(|pair| pair.weights).collect();
        assert_eq!(weights, [[127 << 8, 0], [127, 0]].map(|w: [i32; 2]| w), "{pairs:?}");
    }
}
