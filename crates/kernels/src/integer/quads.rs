//! Weights by quads: those of a tap on four inputs, which are multiplied together.

use rayon::prelude::*;

use super::words;
use crate::conv::Conv;

/// The weights of a word of activations.
pub(super) type Quad = [i8; 4];

/// The weights of a convolution in one group, `outputs x quads of inputs x taps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quads {
    all: Vec<Quad>,
    outputs: usize,
    taps: usize,
}

impl Quads {
    /// Those of `weights`, `outputs x inputs/groups x taps` of a convolution in `groups`; weights are zero past the
    /// last input, and where an output of a group does not read. The batch of `conv` does not matter.
    ///
    /// # Panics
    /// If there are other weights than the convolution has.
    pub fn new(conv: &Conv, weights: &[i8], groups: usize) -> Self {
        let (taps, outputs, quads) = (conv.window.taps(), conv.outputs, words::quads(conv.inputs));
        assert!(!weights.is_empty() && weights.len() * groups == conv.weight_len(), "weights");
        let inputs = conv.inputs / groups;
        let mut all = vec![[0; 4]; outputs * quads * taps];
        let rows =
            all.par_chunks_exact_mut(quads * taps).zip(weights.par_chunks_exact(inputs * taps));
        rows.enumerate().for_each(|(o, (row, weights))| {
            let first = o / (outputs / groups) * inputs;
            if groups == 1 && inputs.is_multiple_of(4) {
                let quads = row.chunks_exact_mut(taps).zip(weights.chunks_exact(4 * taps));
                return quads.for_each(|(quad, weights)| interleave(quad, weights));
            }
            for (i, weights) in (first..).zip(weights.chunks_exact(taps)) {
                for (quad, weight) in row[i / 4 * taps..].iter_mut().zip(weights) {
                    quad[i % 4] = *weight;
                }
            }
        });
        Self { all, outputs, taps }
    }

    /// The share that is not all zero.
    pub fn density(&self) -> f64 {
        let kept: usize =
            self.rows().map(|row| row.iter().filter(|quad| **quad != [0; 4]).count()).sum();
        kept as f64 / self.all.len() as f64
    }

    /// Whether `conv` has so many.
    pub(super) fn are_of(&self, conv: &Conv) -> bool {
        let quads = words::quads(conv.inputs);
        let len = conv.outputs * quads * conv.window.taps();
        (self.outputs, self.taps, self.all.len()) == (conv.outputs, conv.window.taps(), len)
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weights of `output` for a quad of inputs, tap by tap.
    #[inline(always)]
    pub(super) fn of(&self, output: usize, quad: usize) -> &[Quad] {
        let row = self.all.len() / self.outputs;
        &self.all[output * row + quad * self.taps..][..self.taps]
    }

    /// The sum of each output's weights.
    pub(super) fn totals(&self) -> Vec<i32> {
        let total = |row: &[Quad]| row.as_flattened().iter().map(|w| i32::from(*w)).sum();
        self.rows().map(total).collect()
    }

    fn rows(&self) -> impl IndexedParallelIterator<Item = &[Quad]> {
        self.all.par_chunks_exact(self.all.len() / self.outputs)
    }
}

/// The quads of the weights of four inputs.
fn interleave(quads: &mut [Quad], weights: &[i8]) {
    let [a, b, c, d] = std::array::from_fn(|i| &weights[i * quads.len()..][..quads.len()]);
    for (tap, quad) in quads.iter_mut().enumerate() {
        *quad = [a[tap], b[tap], c[tap], d[tap]];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lanes, Window};

    fn conv(inputs: usize, outputs: usize) -> Conv {
        let window = Window { kernel: crate::Size { h: 1, w: 2 }, ..Window::square(1, 1, 0) };
        Conv { lanes: Lanes::of(1), inputs, h: 4, w: 4, outputs, window }
    }

    #[test]
    fn four_inputs_together() {
        let quads = Quads::new(&conv(4, 1), &[1, 2, 3, 4, 5, 6, 7, 8], 1);
        assert_eq!(quads.of(0, 0), [[1, 3, 5, 7], [2, 4, 6, 8]]);
        let quads = Quads::new(&conv(5, 1), &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0], 1);
        assert_eq!(
            [quads.of(0, 0), quads.of(0, 1)].concat(),
            [[1, 0, 0, 0], [0; 4], [9, 0, 0, 0], [0; 4]]
        );
        assert_eq!((quads.density(), quads.totals()), (0.5, vec![10]));
    }

    #[test]
    fn an_output_reads_its_group() {
        let quads = Quads::new(&conv(6, 2), &[1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6], 2);
        assert_eq!(quads.of(0, 0), [[1, 3, 5, 0], [2, 4, 6, 0]]);
        assert_eq!(quads.of(0, 1), [[0; 4]; 2]);
        assert_eq!(quads.of(1, 0), [[0, 0, 0, -1], [0, 0, 0, -2]]);
        assert_eq!(quads.of(1, 1), [[-3, -5, 0, 0], [-4, -6, 0, 0]]);
        assert_eq!(quads.totals(), [21, -21]);
    }
}
