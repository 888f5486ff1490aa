//! What follows a sum of integers: factor, bias, summand, activation, rounding.
#![allow(unsafe_code, reason = "sums are read and words written through pointers")]

use super::{Rounding, Word};
use crate::activation::Applied;
use crate::{Activation, LANES, isa};

/// What happens to the sums of a convolution.
///
/// Factors, biases and scales must be finite and small enough that no value is NaN: the byte of a NaN is unspecified.
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
}

/// The usual activations as bounds; None for the others, which are too large to inline into the caller.
#[inline(always)]
fn bounds(activation: Option<Activation>) -> Option<[f32; 2]> {
    match activation {
        None => Some([f32::NEG_INFINITY, f32::INFINITY]),
        Some(Activation::Relu) => Some([0.0, f32::INFINITY]),
        Some(Activation::Relu6) => Some([0.0, 6.0]),
        Some(_) => None,
    }
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
    let to = to.after(activation).unwrap_or_else(|| {
        activated(values, activation);
        to
    });
    let mut bytes = [0; BYTES];
    for i in 0..BYTES {
        bytes[i] = to.step(values[i]) as u8;
    }
    bytes
}

/// What follows the sums of a quad of channels; where there is no channel, factor and bias are 0.
pub(super) struct QuadEnding<'a> {
    factors: [f32; 4],
    bias: [f32; 4],
    add: Option<Summand<'a>>,
    activation: Option<Activation>,
}

impl<'a> Ending<'a> {
    /// What follows the sums of channels `4 * quad ..`.
    pub(super) fn of_quad(&self, quad: usize) -> QuadEnding<'a> {
        let four = |all: &[f32]| {
            std::array::from_fn(|r| all.get(4 * quad + r).copied().unwrap_or_default())
        };
        let (factors, bias) = (four(self.factors), four(self.bias));
        QuadEnding { factors, bias, add: self.add, activation: self.activation }
    }
}

impl QuadEnding<'_> {
    /// [`Ending::value`] of sixteen lanes of channel `r`, whose summands begin at word `at`.
    #[inline(always)]
    pub(super) fn values(&self, r: usize, sums: &[i32; LANES], at: usize) -> [f32; LANES] {
        let mut values = [0.0; LANES];
        for lane in 0..LANES {
            values[lane] = sums[lane] as f32 * self.factors[r] + self.bias[r];
        }
        if let Some(Summand { words, rounding }) = self.add {
            let words = lanes(words, at);
            for lane in 0..LANES {
                values[lane] += rounding.value((words[lane] >> (8 * r)) as u8);
            }
        }
        activated(&mut values, self.activation);
        values
    }

    /// The words of [`Self::values`] of all four channels.
    #[inline(always)]
    pub(super) fn words(&self, sums: [&[i32; LANES]; 4], at: usize, to: Rounder) -> [Word; LANES] {
        let mut words = [0; LANES];
        for r in 0..4 {
            let steps = to.steps(&self.values(r, sums[r], at));
            for lane in 0..LANES {
                words[lane] |= steps[lane] << (8 * r);
            }
        }
        words
    }

    /// Writes the words of [`Self::values`] of all four channels, where `to` comes [after](Rounder::after) the
    /// activation, to each of `targets`, `shift` words behind, in `out`.
    ///
    /// # Safety
    /// From `sums` on each channel must have a vector for each target, the next channel `step` sums behind it, and
    /// a vector at each target be in range of `out` and of the summand.
    #[inline(always)]
    pub(super) unsafe fn write_bounded(
        &self,
        (sums, step): (*const i32, usize),
        to: Rounder,
        (targets, shift): (&[usize], usize),
        out: *mut Word,
    ) {
        let Self { factors, bias, add, .. } = *self;
        let mut sums = sums;
        for target in targets {
            let (at, mut words) = (target + shift, [0; LANES]);
            // SAFETY: the caller's promise; so below.
            let four = [0, 1, 2, 3].map(|r| unsafe { &*sums.add(r * step).cast::<[i32; LANES]>() });
            if let Some(Summand { words: added, rounding }) = add {
                let zero = i32::from(rounding.zero);
                // SAFETY: as above.
                let added = unsafe { &*added.as_ptr().add(at).cast::<[Word; LANES]>() };
                for lane in 0..LANES {
                    for r in 0..4 {
                        let steps = (added[lane] >> (8 * r) & 255) as i32 - zero;
                        let value = four[r][lane] as f32 * factors[r] + bias[r];
                        words[lane] |= to.step(value + rounding.scale * steps as f32) << (8 * r);
                    }
                }
            } else {
                for lane in 0..LANES {
                    for r in 0..4 {
                        let value = four[r][lane] as f32 * factors[r] + bias[r];
                        words[lane] |= to.step(value) << (8 * r);
                    }
                }
            }
            // SAFETY: as above.
            unsafe {
                out.add(at).cast::<[Word; LANES]>().write(words);
                sums = sums.add(LANES);
            }
        }
    }
}

/// Sixteen lanes of `words`.
#[inline(always)]
fn lanes(words: &[Word], at: usize) -> &[Word; LANES] {
    words[at..].first_chunk().expect("a vector of words")
}

/// 1.5 * 2^23. Added to a float of magnitude up to 2^22, it rounds that to the nearest integer (ties to even), which the
/// lowest bits of the sum hold.
pub(super) const TO_INTEGER: f32 = 12_582_912.0;

/// A rounding with all that can be computed beforehand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounder {
    pub inverse: f32,
    /// The least and the most steps from the integer that stands for 0.
    pub low: f32,
    pub high: f32,
    /// The bits of [`TO_INTEGER`] less that integer.
    pub offset: u32,
}

impl Rounder {
    pub(super) fn new(rounding: Rounding) -> Self {
        let zero = f32::from(rounding.zero);
        Self {
            inverse: rounding.inverse(),
            low: -zero,
            high: 255.0 - zero,
            offset: TO_INTEGER.to_bits() - u32::from(rounding.zero),
        }
    }

    /// The activation followed by this rounding, where the activation only bounds values: every step of rounding is
    /// monotone, so bounding the steps gives the same bytes. None for other activations.
    #[inline(always)]
    pub(super) fn after(self, activation: Option<Activation>) -> Option<Self> {
        let [low, high] = bounds(activation)?.map(|bound| bound * self.inverse);
        Some(Self { low: self.low.max(low), high: self.high.min(high), ..self })
    }

    /// [`Rounding::rounded`] of sixteen lanes, as integers.
    #[inline(always)]
    pub(super) fn steps(self, values: &[f32; LANES]) -> [u32; LANES] {
        let mut steps = [0; LANES];
        for lane in 0..LANES {
            steps[lane] = self.step(values[lane]);
        }
        steps
    }

    /// [`Rounding::rounded`], as an integer.
    #[inline(always)]
    pub(super) fn step(self, value: f32) -> u32 {
        let steps = value * self.inverse;
        // NaN becomes the least.
        let steps = if steps > self.low { steps } else { self.low };
        let steps = if steps < self.high { steps } else { self.high };
        (steps + TO_INTEGER).to_bits().wrapping_sub(self.offset)
    }
}
