//! Limits of gradients: by value, and by the norm of all of them together.

use rayon::prelude::*;

use crate::{Kernel, simd};

/// Values of one piece.
const PIECE: usize = 1 << 14;
/// Sums that run side by side within a piece.
const WIDTH: usize = 16;
/// What `torch.nn.utils.clip_grad_norm_` adds to the norm.
const EPS: f64 = 1e-6;

/// Puts every value into `[-limit, limit]`; NaN stays NaN.
pub fn by_value(values: &mut [f32], limit: f32) {
    values.par_chunks_mut(PIECE).for_each(|piece| simd::<Clamp, _>((piece, limit)));
}

/// One piece.
struct Clamp;

impl Kernel<(&mut [f32], f32)> for Clamp {
    type Out = ();

    #[inline(always)]
    fn run((values, limit): (&mut [f32], f32)) {
        for v in values {
            *v = v.clamp(-limit, limit);
        }
    }
}

/// The L2 norm of the values whose `mask` is not 0, summed in f64; an empty mask keeps all. What is
/// masked may be anything.
pub fn norm(values: &[f32], mask: &[f32]) -> f64 {
    assert!(mask.is_empty() || mask.len() == values.len(), "mask");
    let piece = |(i, v): (usize, &[f32])| {
        let mask = mask.get(i * PIECE..).map_or(&[][..], |rest| &rest[..rest.len().min(v.len())]);
        simd::<Squares, _>((v, mask))
    };
    let sums: Vec<f64> = values.par_chunks(PIECE).enumerate().map(piece).collect();
    // One after the other: the sum must not depend on the threads.
    sums.iter().sum::<f64>().sqrt()
}

/// The sum of squares of one piece.
struct Squares;

impl Kernel<(&[f32], &[f32])> for Squares {
    type Out = f64;

    #[inline(always)]
    fn run((values, mask): (&[f32], &[f32])) -> f64 {
        let mut sums = [0.0; WIDTH];
        for (k, row) in values.chunks(WIDTH).enumerate() {
            let kept = mask.get(k * WIDTH..).unwrap_or_default();
            for (i, v) in row.iter().enumerate() {
                let v = if kept.get(i).is_some_and(|m| *m == 0.0) { 0.0 } else { f64::from(*v) };
                sums[i] += v * v;
            }
        }
        sums.iter().sum()
    }
}

/// What gradients of total norm `norm` are multiplied by so that it does not exceed `limit`, as
/// `torch.nn.utils.clip_grad_norm_` has it: `limit / (norm + 1e-6)`, but never more than 1. A norm
/// that is no number changes nothing: what made it shows by itself.
pub fn factor(norm: f64, limit: f64) -> f32 {
    (limit / (norm + EPS)).min(1.0) as f32
}

/// `values *= factor`.
pub fn scale(values: &mut [f32], factor: f32) {
    values.par_chunks_mut(PIECE).for_each(|piece| simd::<Scale, _>((piece, factor)));
}

/// One piece.
struct Scale;

impl Kernel<(&mut [f32], f32)> for Scale {
    type Out = ();

    #[inline(always)]
    fn run((values, factor): (&mut [f32], f32)) {
        for v in values {
            *v *= factor;
        }
    }
}
