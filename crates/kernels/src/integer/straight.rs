//! Rounded values that stay floats, for training: the forward pass rounds, the backward pass goes straight through
//! (Bengio et al. 2013, "Estimating or propagating gradients through stochastic neurons").

use rayon::prelude::*;

use super::Rounding;
use super::ending::Rounder;
use crate::{Kernel, LANES, simd};

/// Values that a task takes.
const CHUNK: usize = 1 << 14;
/// Steps of a weight on each side of 0.
const STEPS: f32 = 127.0;

/// The scale of the integers of an output's weights: the largest becomes 127 or -127. It is 1 where all are 0.
pub fn weight_scale(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    if largest > 0.0 { largest / STEPS } else { 1.0 }
}

/// The integer of `weight`, one of an output with this scale.
#[inline]
pub fn rounded_weight(weight: f32, scale: f32) -> i8 {
    (weight / scale).round() as i8
}

/// Writes the values that the integers of `weights` represent to `rounded`; an output has `row` weights. A row with a value
/// that is not finite is copied as it is, so that training notices.
///
/// # Panics
/// If `rounded` is not as long, or the last row is not whole.
pub fn round_rows(weights: &[f32], row: usize, rounded: &mut [f32]) {
    assert!(weights.len() == rounded.len() && weights.len().is_multiple_of(row), "rows");
    rounded.par_chunks_exact_mut(row).zip(weights.par_chunks_exact(row)).for_each(|(to, row)| {
        if row.iter().any(|weight| !weight.is_finite()) {
            return to.copy_from_slice(row);
        }
        let scale = weight_scale(row);
        for (to, weight) in to.iter_mut().zip(row) {
            // Zeros, which most weights may be, need no division.
            *to = if *weight == 0.0 {
                0.0
            } else {
                f32::from(rounded_weight(*weight, scale)) * scale
            };
        }
    });
}

/// Replaces `values`, whole vectors, by the values that their integers represent; NaN stays, so that training notices.
///
/// # Panics
/// If a vector is not whole.
pub fn round_values(values: &mut [f32], rounding: Rounding) {
    assert!(values.len().is_multiple_of(LANES), "vectors");
    values.par_chunks_mut(CHUNK).for_each(|values| simd::<Round, _>((values, rounding)));
}

struct Round;

impl Kernel<(&mut [f32], Rounding)> for Round {
    type Out = ();

    #[inline(always)]
    fn run((values, rounding): (&mut [f32], Rounding)) {
        let to = Rounder::new(rounding);
        for values in values.as_chunks_mut::<LANES>().0 {
            let steps = to.steps(values);
            for lane in 0..LANES {
                let rounded = rounding.value(steps[lane] as u8);
                values[lane] = if values[lane].is_nan() { f32::NAN } else { rounded };
            }
        }
    }
}

/// Sets the gradient to 0 wherever the rounded value `y` is the smallest or the largest that an integer represents, so
/// that values beyond are not driven further out. A bound that is 0 itself does not count.
///
/// # Panics
/// If the lengths differ.
pub fn stop_saturated(y: &[f32], rounding: Rounding, grad: &mut [f32]) {
    assert_eq!(y.len(), grad.len(), "lengths");
    // Where 0 is the least, as after a ReLU, it stands for itself.
    let low = if rounding.zero == 0 { f32::NEG_INFINITY } else { rounding.value(0) };
    let high = if rounding.zero == 255 { f32::INFINITY } else { rounding.value(255) };
    let both = grad.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK));
    both.for_each(|(grad, y)| simd::<Stop, _>((y, low, high, grad)));
}

struct Stop;

impl Kernel<(&[f32], f32, f32, &mut [f32])> for Stop {
    type Out = ();

    #[inline(always)]
    fn run((y, low, high, grad): (&[f32], f32, f32, &mut [f32])) {
        for (grad, y) in grad.iter_mut().zip(y) {
            *grad = if *y > low && *y < high { *grad } else { 0.0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_by_their_largest() {
        let mut found = [9.0; 6];
        round_rows(&[127.0, 0.6, -3.4, 0.0, 0.0, 0.0], 3, &mut found);
        assert_eq!(found, [127.0, 1.0, -3.0, 0.0, 0.0, 0.0]);
        round_rows(&[1.0, 0.3, f32::INFINITY, 127.0, 0.6, 0.0], 3, &mut found);
        assert_eq!(found, [1.0, 0.3, f32::INFINITY, 127.0, 1.0, 0.0], "not finite: as it is");
    }

    #[test]
    fn values_to_their_range_and_gradients_within_it() {
        let rounding = Rounding { scale: 0.5, zero: 10 };
        let mut values = [0.0; LANES];
        values[..6].copy_from_slice(&[-9.0, -4.5, 0.3, 0.2, 122.0, 500.0]);
        round_values(&mut values, rounding);
        assert_eq!(values[..7], [-5.0, -4.5, 0.5, 0.0, 122.0, 122.5, 0.0]);
        let mut odd = [f32::NAN; LANES];
        round_values(&mut odd, rounding);
        assert!(odd.iter().all(|value| value.is_nan()));
        let mut grad = [1.0; LANES];
        stop_saturated(&values, rounding, &mut grad);
        assert_eq!(grad[..7], [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
        let positive = Rounding { zero: 0, ..rounding };
        let mut grad = [1.0; 2];
        stop_saturated(&[0.0, 127.5], positive, &mut grad);
        assert_eq!(grad, [1.0, 0.0]);
    }
}
