//! Activations, in pieces of fixed length.

use rayon::prelude::*;

use crate::{Kernel, simd};

/// A function of each value by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` where it is positive, else `slope * x`.
    LeakyRelu {
        /// Factor of negative values.
        slope: f32,
    },
    /// `x * sigmoid(x)` (Elfwing et al. 2017).
    Silu,
    /// `x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
    /// `min(max(x + 3, 0), 6) / 6`.
    HardSigmoid,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016).
    Gelu,
    /// The approximation of [`Self::Gelu`] by a hyperbolic tangent, of the same paper.
    GeluTanh,
}

impl Activation {
    /// Its value at `x`; NaN stays NaN.
    #[inline(always)]
    pub(crate) fn of(self, x: f32) -> f32 {
        match self {
            Self::Relu => positive(x),
            Self::Relu6 => at_most_six(positive(x)),
            Self::LeakyRelu { slope } => {
                if x < 0.0 {
                    slope * x
                } else {
                    x
                }
            }
            Self::Silu => x * logistic(x),
            Self::HardSwish => x * at_most_six(positive(x + 3.0)) / 6.0,
            Self::HardSigmoid => at_most_six(positive(x + 3.0)) / 6.0,
            Self::Sigmoid => logistic(x),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => x * logistic(2.0 * TANH_SCALE * (x + TANH_CUBE * x * x * x)),
        }
    }
}

/// `sqrt(2 / pi)`, and the factor of the cube, of [`Activation::GeluTanh`].
const TANH_SCALE: f32 = 0.797_884_56;
const TANH_CUBE: f32 = 0.044_715;

#[inline(always)]
fn positive(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn at_most_six(x: f32) -> f32 {
    if x > 6.0 { 6.0 } else { x }
}

/// The error function to 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let mut sum = 1.061_405_4;
    for factor in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = sum * t + factor;
    }
    let magnitude = 1.0 - sum * t * exp(-x * x);
    if x < 0.0 { -magnitude } else { magnitude }
}

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
    fn activations_are_their_formulas() {
        let check = |of: Activation, formula: fn(f64) -> f64| {
            for i in -120..=120 {
                let x = i as f32 / 10.0;
                let (found, expected) = (f64::from(of.of(x)), formula(f64::from(x)));
                assert!((found - expected).abs() < 2e-6, "{of:?} of {x}: {found}, not {expected}");
            }
            assert!(of.of(f32::NAN).is_nan(), "{of:?}");
        };
        check(Activation::Relu6, |x| x.clamp(0.0, 6.0));
        check(Activation::LeakyRelu { slope: 0.125 }, |x| if x > 0.0 { x } else { 0.125 * x });
        check(Activation::HardSwish, |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0);
        check(Activation::HardSigmoid, |x| (x + 3.0).clamp(0.0, 6.0) / 6.0);
        let tanh = |x: f64| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        };
        check(Activation::GeluTanh, tanh);
        // The two forms of GELU differ by less than this everywhere.
        for i in -80..=80 {
            let x = i as f32 / 10.0;
            assert!((Activation::Gelu.of(x) - Activation::GeluTanh.of(x)).abs() < 5e-4, "{x}");
        }
        let at_one = f64::from(Activation::Gelu.of(1.0));
        assert!((at_one - 0.841_344_746_068_543).abs() < 1e-6, "{at_one}");
    }

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
