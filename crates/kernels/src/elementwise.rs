//! Kernels that look at one value at a time, in pieces of fixed length.

use rayon::prelude::*;

use crate::{Kernel, simd};

/// Values of one piece: 64 KiB, within the first-level caches' reach.
const PIECE: usize = 1 << 14;

/// `x = max(x, 0)`; NaN stays NaN, as in `PyTorch`.
pub fn relu(x: &mut [f32]) {
    x.par_chunks_mut(PIECE).for_each(simd::<Rectify, _>);
}

/// One piece.
struct Rectify;

impl Kernel<&mut [f32]> for Rectify {
    type Out = ();

    #[inline(always)]
    fn run(x: &mut [f32]) {
        for v in x {
            *v = if *v < 0.0 { 0.0 } else { *v };
        }
    }
}

/// `grad = 0` where the output `y` of the activation is 0; NaN hides no gradient.
pub fn relu_grad(grad: &mut [f32], y: &[f32]) {
    assert_eq!(grad.len(), y.len(), "gradient and output");
    let pieces = grad.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE));
    pieces.for_each(simd::<Cut, _>);
}

/// One piece.
struct Cut;

impl Kernel<(&mut [f32], &[f32])> for Cut {
    type Out = ();

    #[inline(always)]
    fn run((grad, y): (&mut [f32], &[f32])) {
        for (g, y) in grad.iter_mut().zip(y) {
            *g = if *y <= 0.0 { 0.0 } else { *g };
        }
    }
}

/// `sum += x`.
pub fn add(sum: &mut [f32], x: &[f32]) {
    assert_eq!(sum.len(), x.len(), "summands");
    let pieces = sum.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE));
    pieces.for_each(simd::<Accumulate, _>);
}

/// One piece.
struct Accumulate;

impl Kernel<(&mut [f32], &[f32])> for Accumulate {
    type Out = ();

    #[inline(always)]
    fn run((sum, x): (&mut [f32], &[f32])) {
        sum.iter_mut().zip(x).for_each(|(s, x)| *s += x);
    }
}
