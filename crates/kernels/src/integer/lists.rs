//! The weights that are kept, four at a time, in the order in which they are used.

use std::ops::Range;

use super::dot::{lightened, word};
use crate::conv::stencil::Stencil;
use crate::conv::tiling::Tiling;

/// Four weights of a tap, one of them at least not zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Where they read, from where the window stands, in words.
    pub at: u32,
    /// The weights, the first in the lowest byte.
    pub weights: i32,
}

/// Entries by chunk of channels, then by output.
#[derive(Debug, Clone)]
pub(super) struct Lists {
    entries: Vec<Entry>,
    /// Where the entries of (chunk, output) begin; one more than there are.
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
    pub fn quad(&self, output: usize, quad: usize, tap: usize) -> [i8; 4] {
        std::array::from_fn(|i| {
            let input = quad * 4 + i;
            let there = output < self.outputs && input < self.inputs;
            if there { self.weights[(output * self.inputs + input) * self.taps + tap] } else { 0 }
        })
    }

    /// The sum of an output's weights.
    pub fn total(&self, output: usize) -> i32 {
        let row = self.inputs * self.taps;
        self.weights[output * row..(output + 1) * row].iter().map(|w| i32::from(*w)).sum()
    }
}

/// Which part of each quad a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// All of it; as two entries where pairs must be light and are not.
    All {
        /// Whether pairs must be light.
        pairs: bool,
    },
    /// What is left where pairs were made light.
    Rest,
}

impl Lists {
    /// The quads of `tensor` that are not zero, for the windows of `s`.
    pub fn new(s: &Stencil, tiling: &Tiling, tensor: Tensor, share: Share) -> Self {
        let outputs = tensor.outputs;
        let mut lists = Self { entries: vec![], starts: vec![0], outputs };
        let places: Vec<usize> = s.taps.iter().map(|tap| tiling.tap(s, *tap)).collect();
        for first in (0..s.channels).step_by(tiling.chunk) {
            for output in 0..outputs {
                for quad in first..(first + tiling.chunk).min(s.channels) {
                    for (tap, place) in s.taps.iter().zip(&places) {
                        let weights = tensor.quad(output, quad, tap.index);
                        let at = tiling.channel(quad - first) + place;
                        lists.push(at, weights, share);
                    }
                }
                lists.starts.push(lists.entries.len() as u32);
            }
        }
        lists
    }

    /// No entries.
    pub fn none(s: &Stencil, tiling: &Tiling, outputs: usize) -> Self {
        let starts = vec![0; s.channels.div_ceil(tiling.chunk) * outputs + 1];
        Self { entries: vec![], starts, outputs }
    }

    fn push(&mut self, at: usize, weights: [i8; 4], share: Share) {
        let parts = match share {
            Share::All { pairs: false } => [weights, [0; 4]],
            Share::All { pairs: true } => lightened(weights),
            Share::Rest => [lightened(weights)[1], [0; 4]],
        };
        let at = u32::try_from(at).expect("a block has fewer than 2^32 words");
        let some = parts.into_iter().filter(|weights| *weights != [0; 4]);
        self.entries.extend(some.map(|weights| Entry { at, weights: word(weights) }));
    }

    /// The entries of `chunk` for `output`.
    pub fn of(&self, chunk: usize, output: usize) -> &[Entry] {
        let i = chunk * self.outputs + output;
        let range: Range<usize> = self.starts[i] as usize..self.starts[i + 1] as usize;
        &self.entries[range]
    }
}
