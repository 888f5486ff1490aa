//! What follows a sum of integers: factor, bias, summand, activation, rounding.

use super::{Rounding, Word};
use crate::activation::specialised;
use crate::{Activation, LANES};

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

    /// [`Self::value`] of sixteen lanes, of which `summands` holds channel `output % 4`.
    #[inline(always)]
    pub(super) fn values(
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
        if let Some(activation) = self.activation {
            specialised!(activation, own => values.iter_mut().for_each(|v| *v = own.of(*v)));
        }
        values
    }
}

impl Rounding {
    /// [`Self::rounded`] of sixteen lanes, as integers.
    #[inline(always)]
    pub(super) fn steps(self, values: &[f32; LANES]) -> [u32; LANES] {
        let (inverse, zero) = (1.0 / self.scale, f32::from(self.zero));
        let mut steps = [0; LANES];
        for lane in 0..LANES {
            let value = (values[lane] * inverse).round_ties_even() + zero;
            // What is no number becomes 0, as by `as u8`.
            let value = if value > 0.0 { value } else { 0.0 };
            let value = if value < 255.0 { value } else { 255.0 };
            steps[lane] = value as i32 as u32;
        }
        steps
    }
}
