//! Exponentials of f32 without a branch or a call, so that a register of values is computed at once.

/// Beyond these [`exp`] is 0 and infinity.
const LEAST: f32 = -88.0;
const MOST: f32 = 89.0;
/// 1.5 * 2^23: what is added to it is rounded to a whole number, in the low bits.
const WHOLE: f32 = 12_582_912.0;
/// ln 2 in two parts, the first of which times a whole number below 2^8 is exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];

/// e^x to 2e-7: 2^n e^r with |r| <= ln(2) / 2, where e^r is its Taylor polynomial. Below 2^-126 it
/// is 0; NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x < LEAST { LEAST } else { x };
    let x = if x > MOST { MOST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let mut sum = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + factor;
    }
    // The exponents 0 and 255 of n = -127 and 128 are those of 0 and infinity.
    let power = shifted.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
pub(super) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Beyond it the error function rounds to 1.
const ERF_END: f32 = 3.9;
/// Factors of even powers of x, highest first: an odd numerator over an even denominator, the
/// minimax approximation that Eigen and XLA use.
const ERF_ABOVE: [f32; 7] = [
    -2.726_142_3e-10,
    2.770_681_5e-8,
    -2.101_024e-6,
    -5.692_506_4e-5,
    -7.349_906_3e-4,
    -2.954_6e-3,
    -1.609_603_3e-2,
];
const ERF_BELOW: [f32; 5] =
    [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];

/// The error function; NaN stays NaN.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let square = x * x;
    let (mut above, mut below) = (ERF_ABOVE[0], ERF_BELOW[0]);
    for factor in &ERF_ABOVE[1..] {
        above = above * square + factor;
    }
    for factor in &ERF_BELOW[1..] {
        below = below * square + factor;
    }
    let inside = x * above / below;
    if x.abs() > ERF_END { 1.0_f32.copysign(x) } else { inside }
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
        assert_eq!([exp(-1e30), exp(1e30)], [0.0, f32::INFINITY]);
        assert_eq!([exp(-88.0), exp(89.0)], [0.0, f32::INFINITY]);
    }

    /// Its series of positive terms (Abramowitz and Stegun 1964, 7.1.6).
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        sum * 2.0 * (-x * x).exp() / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn error_function_to_the_last_bits() {
        assert!((exact_erf(1.0) - 0.842_700_792_949_714_9).abs() < 1e-15);
        let mut worst = 0.0_f64;
        for i in -6_000..=6_000 {
            let x = i as f32 / 1000.0 + 1e-4;
            let expected = exact_erf(f64::from(x));
            worst = worst.max((f64::from(erf(x)) / expected - 1.0).abs());
        }
        assert!(worst < 4e-7, "off by {worst:e}");
        assert!(erf(f32::NAN).is_nan());
        assert_eq!(erf(0.0), 0.0);
    }
}
