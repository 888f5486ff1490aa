//! What follows a sum of integers: factor, bias, summand, activation, rounding.
#![allow(unsafe_code, reason = "conversion of floats that are known to fit")]

use super::{Rounding, Word};
use crate::activation::Applied;
use crate::{Activation, LANES, isa};

/// What happens to the sums of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What the sums of each output are multiplied with: the scale of its weights times that of what is
    /// read.
    pub factors: &'a [f32],
    /// Added to each output.
    pub bias: &'a [f32],
    /// Added to each value.
    pub add: Option<Summand<'a>>,
    /// Applied last.
    pub activation: Option<Activation>,
}

/// An activation that is added.
#[derive(Debug, Clone, Copy)]
pub struct Summand<'a> {
    /// As many words as the output has.
    pub words: &'a [Word],
    /// What they stand for.
    pub rounding: Rounding,
}

impl Ending<'_> {
    /// The value of a complete sum of `output`, to which the byte `summand` is added where there is one.
    ///
    /// This is the specification: each operation rounds once.
    #[inline(always)]
    pub fn value(&self, output: usize, sum: i32, summand: u8) -> f32 {
        let mut value = sum as f32 * self.factors[output] + self.bias[output];
        if let Some(add) = &self.add {
            value += add.rounding.value(summand);
        }
        self.activation.map_or(value, |activation| activation.of(value))
    }

    /// The integers of [`Self::value`] of sixteen lanes, of which `summands` holds channel `output % 4`.
    #[inline(always)]
    pub(super) fn steps(
        &self,
        output: usize,
        sums: &[i32; LANES],
        summands: Option<&[Word; LANES]>,
        to: Rounder,
    ) -> [u32; LANES] {
        let Some((low, high)) = bounds(self.activation) else {
            return to.steps(&self.values(output, sums, summands));
        };
        let mut values = self.before_activation(output, sums, summands);
        for value in &mut values {
            *value = bounded(*value, low, high);
        }
        to.steps(&values)
    }

    /// [`Self::value`] of sixteen lanes, of which `summands` holds channel `output % 4`.
    pub(super) fn values(
        &self,
        output: usize,
        sums: &[i32; LANES],
        summands: Option<&[Word; LANES]>,
    ) -> [f32; LANES] {
        let mut values = self.before_activation(output, sums, summands);
        activated(&mut values, self.activation);
        values
    }

    #[inline(always)]
    fn before_activation(
        &self,
        output: usize,
        sums: &[i32; LANES],
        summands: Option<&[Word; LANES]>,
    ) -> [f32; LANES] {
        let (factor, bias) = (self.factors[output], self.bias[output]);
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = sums[lane] as f32 * factor + bias;
        }
        if let (Some(words), Some(Summand { rounding, .. })) = (summands, self.add) {
            let (shift, zero) = (8 * (output % 4), i32::from(rounding.zero));
            for lane in 0..LANES {
                let byte = (words[lane] >> shift & 255) as i32;
                values[lane] += rounding.scale * (byte - zero) as f32;
            }
        }
        values
    }
}

/// The usual activations as bounds; None for the others, which are too large to inline into the caller.
#[inline(always)]
fn bounds(activation: Option<Activation>) -> Option<(f32, f32)> {
    match activation {
        None => Some((f32::NEG_INFINITY, f32::INFINITY)),
        Some(Activation::Relu) => Some((0.0, f32::INFINITY)),
        Some(Activation::Relu6) => Some((0.0, 6.0)),
        Some(_) => None,
    }
}

/// `value` within bounds; NaN stays NaN.
#[inline(always)]
fn bounded(value: f32, low: f32, high: f32) -> f32 {
    let above = if value < low { low } else { value };
    if above > high { high } else { above }
}

pub(super) fn activated(values: &mut [f32], activation: Option<Activation>) {
    if let Some(activation) = activation {
        isa::dispatch(Applied { activation, y: values });
    }
}

/// The bytes of a vector of words: four channels of each lane.
pub(super) const BYTES: usize = 4 * LANES;

impl Ending<'_> {
    /// The integers of [`Self::value`] of the sums of a quad of channels, by lane and then by channel.
    #[inline(always)]
    pub(super) fn bytes(
        &self,
        quad: usize,
        sums: &[i32; BYTES],
        summands: Option<&[u8; BYTES]>,
        to: Rounder,
    ) -> [u8; BYTES] {
        let (factors, bias) = (repeated(self.factors, quad), repeated(self.bias, quad));
        let mut values = [0.0; BYTES];
        for i in 0..BYTES {
            values[i] = sums[i] as f32 * factors[i] + bias[i];
        }
        if let (Some(bytes), Some(Summand { rounding, .. })) = (summands, self.add) {
            for i in 0..BYTES {
                values[i] +=
                    rounding.scale * (i32::from(bytes[i]) - i32::from(rounding.zero)) as f32;
            }
        }
        finished(&mut values, self.activation, to)
    }
}

/// The values of a quad of channels, 0 past the last, repeated for each lane: indexing by `i % 4` in the loop
/// would keep compilers from vectorising it.
#[inline(always)]
fn repeated(all: &[f32], quad: usize) -> [f32; BYTES] {
    let mut four = [0.0; 4];
    for (to, value) in four.iter_mut().zip(&all[quad * 4..]) {
        *to = *value;
    }
    let mut all = [0.0; BYTES];
    all.as_chunks_mut().0.fill(four);
    all
}

/// The integers of the activations of `values`.
#[inline(always)]
pub(super) fn finished(
    values: &mut [f32; BYTES],
    activation: Option<Activation>,
    to: Rounder,
) -> [u8; BYTES] {
    match bounds(activation) {
        Some((low, high)) => {
            for value in values.iter_mut() {
                *value = bounded(*value, low, high);
            }
        }
        None => activated(values, activation),
    }
    let mut bytes = [0; BYTES];
    for i in 0..BYTES {
        bytes[i] = to.step(values[i]);
    }
    bytes
}

/// A rounding whose inverse is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounder {
    inverse: f32,
    zero: f32,
}

impl Rounder {
    pub(super) fn new(rounding: Rounding) -> Self {
        Self { inverse: rounding.inverse(), zero: f32::from(rounding.zero) }
    }

    /// [`Rounding::rounded`] of sixteen lanes, as integers.
    #[inline(always)]
    pub(super) fn steps(self, values: &[f32; LANES]) -> [u32; LANES] {
        let mut steps = [0; LANES];
        for lane in 0..LANES {
            steps[lane] = self.within(values[lane]) as u32;
        }
        steps
    }

    #[inline(always)]
    fn within(self, value: f32) -> i32 {
        let value = (value * self.inverse).round_ties_even() + self.zero;
        // NaN becomes 0, as with `as u8`.
        let value = if value > 0.0 { value } else { 0.0 };
        let value = if value < 255.0 { value } else { 255.0 };
        // SAFETY: the value is from 0 to 255. A saturating conversion would not be vectorised.
        unsafe { value.to_int_unchecked() }
    }

    /// [`Rounding::rounded`].
    #[inline(always)]
    pub(super) fn step(self, value: f32) -> u8 {
        self.within(value) as u8
    }
}
