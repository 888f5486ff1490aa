//! Products of the weights of eight outputs with three vectors of pixels of one image.
#![allow(unsafe_code, reason = "products are computed through pointers into the output")]

use std::ops::Range;

use pulp::Simd;

use super::{Conv, Map};
use crate::LANES;
use crate::conv::Epilogue;
use crate::conv::epilogue::{Finish, activate};
use crate::conv::micro::{self, COLUMNS, ROWS, Steps, Target};
use crate::scratch::Buffer;
use crate::shared::Shared;

/// The weights of a convolution, and where its steps read.
pub(super) struct Panels {
    map: Map,
    /// The number of steps, that is weights, of an output.
    row: usize,
    /// `(panel of eight outputs, step, 8)`, zeros behind the last output.
    packed: Buffer,
    /// Where each step of a partial product reads.
    offsets: Vec<u32>,
    /// The places in a channel's vectors that hold no pixel.
    gaps: Vec<u32>,
    /// Where the gaps of each vector begin in `gaps`; one more than there are vectors.
    gap_starts: Vec<usize>,
}

impl Panels {
    /// Arranges `weight`, `outputs x inputs/groups x kernel`; `steps` says where those of a partial
    /// product read.
    pub fn new(conv: &Conv, weight: &[f32], steps: impl Iterator<Item = usize>) -> Self {
        let row = conv.row();
        let mut packed = Buffer::zeros(conv.output.channels.div_ceil(ROWS) * row * ROWS);
        for (o, weights) in weight.chunks_exact(row).enumerate() {
            let panel = &mut packed[o / ROWS * row * ROWS..][..row * ROWS];
            for (to, value) in panel[o % ROWS..].iter_mut().step_by(ROWS).zip(weights) {
                *to = *value;
            }
        }
        let offsets =
            steps.map(|at| u32::try_from(at).expect("an image has fewer than 2^32 values"));
        let is_gap = |bits: &f32| bits.to_bits() == 0;
        let keep = conv.output.keep();
        let gaps: Vec<u32> =
            (0..).zip(&keep).filter(|(_, bits)| is_gap(bits)).map(|(i, _)| i).collect();
        let before = |v: usize| gaps.partition_point(|i| (*i as usize) < v * LANES);
        let gap_starts = (0..=conv.output.vectors()).map(before).collect();
        Self { map: conv.output, row, packed, offsets: offsets.collect(), gaps, gap_starts }
    }

    /// The outputs of a panel.
    pub fn outputs(&self, panel: usize) -> Range<usize> {
        panel * ROWS..self.map.channels.min((panel + 1) * ROWS)
    }
}

/// Some vectors, and some of the steps of their products.
pub(super) struct PartialProduct<'a> {
    pub panels: &'a Panels,
    /// The source, from where the first vector's first step reads.
    pub read: &'a [f32],
    pub vectors: &'a Range<usize>,
    pub steps: Range<usize>,
    pub end: &'a Epilogue<'a>,
    pub finish: Finish,
    pub out: &'a Shared<'a>,
}

impl PartialProduct<'_> {
    /// Adds the steps to the sums of up to eight outputs; the last completes them.
    ///
    /// # Safety
    /// Each step must read inside `read` for these vectors, and no other thread may touch these vectors of
    /// the panel's outputs.
    #[inline(always)]
    pub unsafe fn add<S: Simd>(&self, simd: S, panel: usize) {
        let Self { panels, read, steps, out, .. } = self;
        let (map, outputs) = (panels.map, panels.outputs(panel));
        let last = steps.end == panels.row;
        let mut bias = [0.0; ROWS];
        for (bias, o) in bias.iter_mut().zip(outputs.clone()) {
            *bias = self.end.bias_of(o);
        }
        let a = (panel * panels.row + steps.start) * ROWS;
        let a = panels.packed[a..][..steps.len() * ROWS].as_ptr();
        let begins = steps.start == 0;
        let apart = panels.row * ROWS;
        let steps =
            Steps { a, apart, taps: panels.offsets[..steps.len()].as_ptr(), len: steps.len() };
        let (rows, stride) = (outputs.len(), map.plane());
        let target = Target {
            rows,
            stride,
            start: if begins { bias.as_ptr() } else { std::ptr::null() },
            finish: if last { self.finish } else { Finish::NONE },
        };
        let count = self.vectors.len();
        for first in (0..count).step_by(micro::columns()) {
            let width = micro::columns().min(count - first);
            let mut x = [std::ptr::null(); COLUMNS];
            let mut y = [std::ptr::null_mut(); COLUMNS];
            for c in 0..width {
                let vector = first + c;
                x[c] = read[vector * LANES..].as_ptr();
                let to = map.at(outputs.start, 0, 0) + (self.vectors.start + vector) * LANES;
                y[c] = out.pointer(to, (rows - 1) * stride + LANES);
            }
            // SAFETY: the caller's promise.
            unsafe { micro::product(simd, steps, &x[..width], &y[..width], target) };
        }
        if last {
            outputs.for_each(|o| self.finish(simd, o));
        }
    }

    /// Applies an activation other than a rectifier to the vectors of output `o`, and sets the gaps to zero.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, o: usize) {
        let Panels { map, gaps, gap_starts, .. } = self.panels;
        let Range { start, end } = *self.vectors;
        // SAFETY: these vectors of this output belong to this task alone.
        let sums = unsafe { self.out.part(map.at(o, 0, 0) + start * LANES, (end - start) * LANES) };
        if let Some(activation) = self.end.curve() {
            activate(simd, activation, sums);
        }
        for &gap in &gaps[gap_starts[start]..gap_starts[end]] {
            sums[gap as usize - start * LANES] = 0.0;
        }
    }
}
