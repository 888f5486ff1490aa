//! All weights, by quads of outputs.

use super::dot::{lightened, word};
use super::lists::Tensor;
use crate::conv::stencil::Stencil;

/// The weights of four outputs for each (quad of inputs, tap).
#[derive(Debug, Clone)]
pub(super) struct Panels {
    words: Vec<[i32; 4]>,
    /// Words of a panel.
    row: usize,
    taps: usize,
}

impl Panels {
    /// Those of `tensor`, made light where `pairs` must be: what that leaves is others' business.
    pub fn new(s: &Stencil, tensor: Tensor, pairs: bool) -> Self {
        let taps = s.taps.len();
        let row = s.channels * taps;
        let of = |output: usize, i: usize| {
            let weights = tensor.quad(output, i / taps, s.taps[i % taps].index);
            word(if pairs { lightened(weights)[0] } else { weights })
        };
        let panel = |first: usize| (0..row).map(move |i| std::array::from_fn(|r| of(first + r, i)));
        let words = (0..tensor.outputs).step_by(4).flat_map(panel).collect();
        Self { words, row, taps }
    }

    /// The weights of panel `quad` for some quads of inputs.
    pub fn of(&self, quad: usize, inputs: &std::ops::Range<usize>) -> &[[i32; 4]] {
        let first = quad * self.row;
        &self.words[first + inputs.start * self.taps..first + inputs.end * self.taps]
    }
}
