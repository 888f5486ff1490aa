//! Between words and floats in blocks.

use rayon::prelude::*;

use super::{Rounding, Word, quads};
use crate::{Kernel, LANES, Lanes, simd};

/// The values of words, `(blocks, channels, pixels, 16)`.
pub fn to_floats(
    (words, rounding): (&[Word], Rounding),
    channels: usize,
    lanes: Lanes,
    values: &mut [f32],
) {
    let plane = values.len() / (lanes.blocks() * channels);
    assert_eq!(words.len(), lanes.blocks() * quads(channels) * plane, "words");
    values.par_chunks_exact_mut(plane).enumerate().for_each(|(i, values)| {
        let (block, channel) = (i / channels, i % channels);
        let words = &words[(block * quads(channels) + channel / 4) * plane..][..plane];
        simd::<ToFloats, _>((words, rounding, channel % 4, values));
    });
}

struct ToFloats;

impl Kernel<(&[Word], Rounding, usize, &mut [f32])> for ToFloats {
    type Out = ();

    #[inline(always)]
    fn run((words, rounding, place, values): (&[Word], Rounding, usize, &mut [f32])) {
        for (value, word) in values.iter_mut().zip(words) {
            *value = rounding.value((word >> (8 * place)) as u8);
        }
    }
}

/// Rounds values, `(blocks, channels, pixels, 16)`, to words; zero bits where there is no channel.
pub fn from_floats(
    values: &[f32],
    channels: usize,
    lanes: Lanes,
    (words, rounding): (&mut [Word], Rounding),
) {
    let plane = values.len() / (lanes.blocks() * channels);
    assert_eq!(words.len(), lanes.blocks() * quads(channels) * plane, "words");
    words.par_chunks_exact_mut(plane).enumerate().for_each(|(i, words)| {
        let (block, quad) = (i / quads(channels), i % quads(channels));
        let real = 4.min(channels - quad * 4);
        let values = &values[(block * channels + quad * 4) * plane..][..real * plane];
        simd::<FromFloats, _>((values, rounding, words));
    });
}

struct FromFloats;

impl Kernel<(&[f32], Rounding, &mut [Word])> for FromFloats {
    type Out = ();

    #[inline(always)]
    fn run((values, rounding, words): (&[f32], Rounding, &mut [Word])) {
        words.fill(0);
        for (r, values) in values.chunks_exact(words.len()).enumerate() {
            let vectors = words.as_chunks_mut::<LANES>().0.iter_mut();
            for (word, values) in vectors.zip(values.as_chunks::<LANES>().0) {
                let steps = rounding.steps(values);
                for lane in 0..LANES {
                    word[lane] |= steps[lane] << (8 * r);
                }
            }
        }
    }
}
