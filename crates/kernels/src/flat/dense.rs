//! Dense convolution of one image: the weights of eight outputs against three vectors of pixels.
#![allow(unsafe_code, reason = "panels are computed through pointers into the output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Conv, parts};
use crate::conv::Epilogue;
use crate::conv::epilogue::{Finish, activate};
use crate::conv::micro::{self, COLUMNS, ROWS, Steps, Target};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa};

/// The weights of a convolution of one group, `(panel of eight outputs, input, tap, 8)`, zeros
/// behind the last output.
pub struct Dense {
    conv: Conv,
    packed: Buffer,
    /// Where the first window's first tap reads.
    first: usize,
    /// Where each (input, tap) reads.
    taps: Vec<u32>,
    keep: Vec<f32>,
}

impl Dense {
    /// Arranges `weight`, `outputs x inputs x kernel`.
    ///
    /// # Panics
    /// If the convolution has groups: these are [`super::Sparse`]'s.
    pub fn new(conv: &Conv, weight: &[f32]) -> Self {
        assert!(!weight.is_empty() && weight.len() == conv.weight_len(), "weight");
        assert_eq!(conv.groups, 1, "a convolution of one group");
        let (row, taps) = (conv.row(), conv.taps());
        let (source, panels) = (conv.source_layout(), conv.output.channels.div_ceil(ROWS));
        let mut packed = Buffer::zeros(panels * row * ROWS);
        for (o, weights) in weight.chunks_exact(row).enumerate() {
            let panel = &mut packed[o / ROWS * row * ROWS..][..row * ROWS];
            for (to, value) in panel[o % ROWS..].iter_mut().step_by(ROWS).zip(weights) {
                *to = *value;
            }
        }
        let at = |i: usize| i / taps.len() * source.channel + taps[i % taps.len()];
        let at = |i| u32::try_from(at(i)).expect("an image has fewer than 2^32 values");
        let taps = (0..row).map(at).collect();
        Self { conv: *conv, packed, first: source.first, taps, keep: conv.output.keep() }
    }

    /// As [`super::Sparse::forward`].
    pub fn forward(
        &self,
        (x, room): (&[f32], &mut [f32]),
        end: &Epilogue,
        y: &mut [f32],
        tasks: usize,
    ) {
        let conv = &self.conv;
        conv.check((x.len(), room.len(), y.len()));
        conv.check_epilogue(end);
        let source = conv.source(x, room, tasks);
        let out = Shared::new(y);
        parts(conv.output.channels.div_ceil(ROWS), tasks, |panels| {
            isa::dispatch(Task { dense: self, source, end, panels, out: &out });
        });
    }
}

struct Task<'a> {
    dense: &'a Dense,
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    panels: Range<usize>,
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (map, width) = (self.dense.conv.output, micro::columns());
        for panel in self.panels.clone() {
            let outputs = panel * ROWS..map.channels.min((panel + 1) * ROWS);
            for o in outputs.clone() {
                // SAFETY: the outputs of this panel belong to this task alone.
                let channel = unsafe { self.out.part(o * map.plane(), map.plane()) };
                map.clear_margins(channel);
            }
            for first in (0..map.vectors()).step_by(width) {
                let vectors = first..(first + width).min(map.vectors());
                self.product(simd, (panel, &outputs), vectors.clone());
                for o in outputs.clone() {
                    let at = map.at(o, 0, 0) + vectors.start * LANES;
                    // SAFETY: as above.
                    let sums = unsafe { self.out.part(at, vectors.len() * LANES) };
                    self.finish(simd, at, &self.dense.keep[vectors.start * LANES..], sums);
                }
            }
        }
    }
}

impl Task<'_> {
    /// The sums of some vectors of eight outputs.
    #[inline(always)]
    fn product<S: Simd>(
        &self,
        simd: S,
        (panel, outputs): (usize, &Range<usize>),
        vectors: Range<usize>,
    ) {
        let (dense, map) = (self.dense, self.dense.conv.output);
        let len = dense.taps.len();
        let mut start = [0.0; ROWS];
        for (start, o) in start.iter_mut().zip(outputs.clone()) {
            *start = self.end.bias_of(o);
        }
        let a = &dense.packed[panel * len * ROWS..][..len * ROWS];
        let steps = Steps { a: a.as_ptr(), taps: dense.taps.as_ptr(), scale: 1, len };
        let (rows, stride) = (outputs.len(), map.plane());
        let target = Target { rows, stride, start: start.as_ptr(), finish: Finish::NONE };
        let mut x = [std::ptr::null(); COLUMNS];
        let mut y = [std::ptr::null_mut(); COLUMNS];
        for (c, vector) in vectors.clone().enumerate() {
            x[c] = self.source[dense.first + vector * LANES..].as_ptr();
            let to = map.at(outputs.start, 0, 0) + vector * LANES;
            y[c] = self.out.pointer(to, (rows - 1) * stride + LANES);
        }
        let columns = vectors.len();
        // SAFETY: taps reach no farther than `source` has been checked to; these vectors of these
        // outputs belong to this task alone.
        unsafe { micro::product(simd, steps, &x[..columns], &y[..columns], target) };
    }

    /// Completes `sums`, which stand at `at` in the output, and sets what is no pixel to zero.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, at: usize, keep: &[f32], sums: &mut [f32]) {
        if !self.end.add.is_empty() {
            let add = &self.end.add[at..][..sums.len()];
            sums.iter_mut().zip(add).for_each(|(y, add)| *y += add);
        }
        if let Some(activation) = self.end.curve() {
            activate(simd, activation, sums);
        }
        let relu = self.end.rectifies();
        for (y, keep) in sums.iter_mut().zip(keep) {
            let value = if relu && *y < 0.0 { 0.0 } else { *y };
            *y = f32::from_bits(value.to_bits() & keep.to_bits());
        }
    }
}
