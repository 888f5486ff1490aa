//! The weights that are kept, four at a time, in the order in which they are used.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::dot::word;
use super::narrow::{fits_i16, split_to_fit};
use super::quads::{Quad, Quads};
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

    /// Those of `quads` that are not zero, for the windows of `s`; `narrow_sums` if the
    /// products of a pair must fit sixteen bits.
    pub fn new(s: &Stencil, tiling: &Tiling, quads: &Quads, narrow_sums: bool) -> Self {
        let places: Vec<usize> = s.taps.iter().map(|tap| tiling.tap(s, *tap)).collect();
        Self::of(s.channels.div_ceil(tiling.chunk), quads.outputs(), |chunk, output| {
            let first = chunk * tiling.chunk;
            let channels = first..(first + tiling.chunk).min(s.channels);
            // Every quad is written and the next one over it unless it counts: a branch here would be
            // guessed wrong every third time.
            let mut entries =
                vec![Entry { at: 0, weights: [0; 4] }; channels.len() * places.len() + 1];
            let mut count = 0;
            for quad in channels {
                let (own, at) = (quads.of(output, quad), tiling.channel(quad - first));
                for (tap, place) in s.taps.iter().zip(&places) {
                    let weights = own[tap.index];
                    entries[count] = Entry { at: (at + place) as u32, weights };
                    count += usize::from(weights != [0; 4]);
                }
            }
            entries.truncate(count);
            paired(&entries, narrow_sums)
        })
    }

    /// The pairs of `chunk` for `output`; none where there is no such output.
    pub fn pairs(&self, chunk: usize, output: usize) -> &[Pair] {
        if output >= self.outputs {
            return &[];
        }
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
