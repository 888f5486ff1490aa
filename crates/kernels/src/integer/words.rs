//! Activations as words of four channels.

use rayon::prelude::*;

use crate::{LANES, Lanes};

/// Four channels of a pixel of one image, the first in the lowest byte.
pub type Word = u32;

/// Words that hold `channels`.
pub fn quads(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// Writes `images`, `(n, channels, pixels)`, as words; `rest` stands for channels and images that there are
/// none of.
pub fn to_words(images: &[u8], channels: usize, lanes: Lanes, rest: u8, words: &mut [Word]) {
    let pixels = words.len() / (lanes.blocks() * quads(channels) * LANES);
    assert_eq!(images.len(), lanes.images() * channels * pixels, "images");
    let planes = words.par_chunks_exact_mut(pixels * LANES).enumerate();
    planes.for_each(|(i, plane)| {
        let (block, quad) = (i / quads(channels), i % quads(channels));
        for (pixel, vector) in plane.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            for (lane, word) in vector.iter_mut().enumerate() {
                let image = block * LANES + lane;
                let byte = |k: usize| {
                    let channel = quad * 4 + k;
                    let real = image < lanes.images() && channel < channels;
                    if real { images[(image * channels + channel) * pixels + pixel] } else { rest }
                };
                *word = Word::from_le_bytes(std::array::from_fn(byte));
            }
        }
    });
}

/// The images of `words` as `(n, channels, pixels)`.
pub fn from_words(words: &[Word], channels: usize, lanes: Lanes) -> Vec<u8> {
    let pixels = words.len() / (lanes.blocks() * quads(channels) * LANES);
    let each = channels * pixels;
    let mut images = vec![0; lanes.images() * each];
    images.par_chunks_exact_mut(each).enumerate().for_each(|(n, image)| {
        for (i, value) in image.iter_mut().enumerate() {
            let (channel, pixel) = (i / pixels, i % pixels);
            let quad = n / LANES * quads(channels) + channel / 4;
            let word = words[(quad * pixels + pixel) * LANES + n % LANES];
            *value = word.to_le_bytes()[channel % 4];
        }
    });
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (images, channels) in [(1, 1), (3, 4), (16, 5), (17, 8), (33, 3)] {
            let lanes = Lanes::of(images);
            let bytes: Vec<u8> = (0..images * channels * 6).map(|i| (i % 251) as u8).collect();
            let mut words = vec![7; lanes.blocks() * quads(channels) * 6 * LANES];
            to_words(&bytes, channels, lanes, 9, &mut words);
            assert_eq!(from_words(&words, channels, lanes), bytes);
            let last = words.last().expect("there are words").to_le_bytes()[3];
            let real = channels % 4 == 0 && images % LANES == 0;
            assert!(real || last == 9, "what is no channel is the rest");
        }
    }
}
