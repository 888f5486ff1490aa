//! Activations, in pieces of fixed length.

use rayon::prelude::*;

use crate::{Kernel, simd};

/// Values of one piece: 64 KiB, within the first-level caches' reach.
const PIECE: usize = 1 << 14;

/// `x = max(x, 0)`; NaN stays NaN, as in `PyTorch`.
pub fn relu(x: &mut [f32]) {
    x.par_chunks_mut(PIECE).for_each(simd::<Rectify, _>);
}

/// [`relu`] of one piece.
pub(crate) struct Rectify;

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
    pairs::<Cut>(grad, y);
}

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

/// `y = x * sigmoid(x)`.
pub fn silu(x: &[f32], y: &mut [f32]) {
    pairs::<Silu>(y, x);
}

/// [`silu`] of one piece.
pub(crate) struct Silu;

impl Kernel<(&mut [f32], &[f32])> for Silu {
    type Out = ();

    #[inline(always)]
    fn run((y, x): (&mut [f32], &[f32])) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x * logistic(*x));
    }
}

/// `grad *= s * (1 + x * (1 - s))` with `s = sigmoid(x)`, where `x` is the activation's input.
pub fn silu_grad(grad: &mut [f32], x: &[f32]) {
    pairs::<SiluSlope>(grad, x);
}

struct SiluSlope;

impl Kernel<(&mut [f32], &[f32])> for SiluSlope {
    type Out = ();

    #[inline(always)]
    fn run((grad, x): (&mut [f32], &[f32])) {
        for (g, x) in grad.iter_mut().zip(x) {
            let s = logistic(*x);
            *g *= s * (1.0 + x * (1.0 - s));
        }
    }
}

/// `y = 1 / (1 + exp(-x))`.
pub fn sigmoid(x: &[f32], y: &mut [f32]) {
    pairs::<Sigmoid>(y, x);
}

/// [`sigmoid`] of one piece.
pub(crate) struct Sigmoid;

impl Kernel<(&mut [f32], &[f32])> for Sigmoid {
    type Out = ();

    #[inline(always)]
    fn run((y, x): (&mut [f32], &[f32])) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = logistic(*x));
    }
}

/// `grad *= y * (1 - y)`, where `y` is the activation's output.
pub fn sigmoid_grad(grad: &mut [f32], y: &[f32]) {
    pairs::<SigmoidSlope>(grad, y);
}

struct SigmoidSlope;

impl Kernel<(&mut [f32], &[f32])> for SigmoidSlope {
    type Out = ();

    #[inline(always)]
    fn run((grad, y): (&mut [f32], &[f32])) {
        grad.iter_mut().zip(y).for_each(|(g, y)| *g *= y * (1.0 - y));
    }
}

/// Runs `K` on the pieces of `out` and `source`.
fn pairs<K>(out: &mut [f32], source: &[f32])
where
    K: for<'a> Kernel<(&'a mut [f32], &'a [f32]), Out = ()>,
{
    assert_eq!(out.len(), source.len(), "lengths");
    let pieces = out.par_chunks_mut(PIECE).zip(source.par_chunks(PIECE));
    pieces.for_each(simd::<K, _>);
}

#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Beyond these `exp` is taken to be 0's and infinity's neighbours: 2^-126 and 2^127.
const LEAST: f32 = -87.3;
const MOST: f32 = 88.0;
/// 1.5 * 2^23: what is added to it is rounded to a whole number, in the low bits.
const WHOLE: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of which times a whole number below 2^8 is exact.
const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);

/// e^x to 2e-7, without a branch or a call, so that sixteen are computed at once: 2^n e^r with
/// |r| <= ln(2) / 2, where e^r is its Taylor polynomial. NaN stays NaN.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = if x < LEAST { LEAST } else { x };
    let x = if x > MOST { MOST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let mut sum = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + factor;
    }
    let power = shifted.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_to_the_last_bits() {
        for i in -8_700..=8_790 {
            let x = i as f32 / 100.0 + 1e-3;
            let expected = f64::from(x).exp();
            let off = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(off < 2e-7, "{x}: off by {off:e}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e30) < 2e-38 && exp(1e30).is_finite());
    }
}
