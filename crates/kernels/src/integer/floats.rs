//! Conversions between words and floats.

use rayon::prelude::*;

use super::ending::Rounder;
use super::words::Maps;
use super::{Layout, Rounding, Word, quads};
use crate::{Kernel, LANES, Size, simd};

/// Rounds `images`, `(n, channels, height, width)`, to words laid out as `maps` says; lanes and bytes without a
/// pixel become 0.
pub fn round_images(images: &[f32], maps: Maps, rounding: Rounding, words: &mut [Word]) {
    assert_eq!(images.len(), maps.bytes(), "images");
    assert_eq!(words.len(), maps.words(), "words");
    let width = maps.layout.map(maps.size).w * LANES;
    let rows = words.par_chunks_exact_mut(width).enumerate();
    rows.for_each(|(row, words)| {
        simd::<Round, _>((images, maps, row, Rounder::new(rounding), words));
    });
}

struct Round;

impl Kernel<(&[f32], Maps, usize, Rounder, &mut [Word])> for Round {
    type Out = ();

    #[inline(always)]
    fn run((images, maps, row, to, words): (&[f32], Maps, usize, Rounder, &mut [Word])) {
        let Maps { layout, channels, size } = maps;
        let (map, row) = (row / layout.map(size).h, row % layout.map(size).h);
        let (block, quad) = (map / quads(channels), map % quads(channels));
        // Sixteen pixels of each lane, and then each pixel's sixteen lanes.
        for (i, words) in words.chunks_mut(LANES * LANES).enumerate() {
            let mut rows = [[0; LANES]; LANES];
            for (lane, words) in rows.iter_mut().enumerate() {
                let Some(tile) = layout.tile(size, block, lane).filter(|tile| row < tile.size.h)
                else {
                    continue;
                };
                let columns = i * LANES..tile.size.w.min((i + 1) * LANES);
                for place in 0..4.min(channels - quad * 4) {
                    let map = tile.image * channels + quad * 4 + place;
                    let at = (map * size.h + tile.row + row) * size.w + tile.column;
                    let own = &images[at..][..tile.size.w];
                    let own = own.get(columns.clone()).unwrap_or_default();
                    if let Some(values) = own.first_chunk() {
                        let steps = to.steps(values);
                        for column in 0..LANES {
                            words[column] |= steps[column] << (8 * place);
                        }
                    } else {
                        for (word, value) in words.iter_mut().zip(own) {
                            *word |= to.step(*value) << (8 * place);
                        }
                    }
                }
            }
            for (column, words) in words.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                for lane in 0..LANES {
                    words[lane] = rows[lane][column];
                }
            }
        }
    }
}

/// The values of words of maps of `size` pixels, as blocks `(blocks, channels, pixels, 16)` of images; lanes
/// without an image hold unspecified values.
pub fn to_floats(words: &[Word], (maps, rounding): (Maps, Rounding), values: &mut [f32]) {
    let Maps { layout, channels, size } = maps;
    let plane = size.pixels() * LANES;
    assert_eq!(words.len(), maps.words(), "words");
    assert_eq!(values.len(), layout.blocks() * channels * plane, "values");
    let own = words.len() / (layout.blocks() * quads(channels));
    values.par_chunks_exact_mut(plane).enumerate().for_each(|(i, values)| {
        let (block, channel) = (i / channels, i % channels);
        let words = &words[(block * quads(channels) + channel / 4) * own..][..own];
        match layout {
            Layout::Images(_) => simd::<ToFloats, _>((words, rounding, channel % 4, values)),
            Layout::Tiles => each(size, |pixel, word| {
                values[pixel * LANES] = rounding.value(words[word].to_le_bytes()[channel % 4]);
            }),
        }
    });
}

/// Calls `f` with each pixel of an image in tiles, and its word.
fn each(size: Size, mut f: impl FnMut(usize, usize)) {
    for pixel in 0..size.pixels() {
        let place = Layout::Tiles.place(size, 0, pixel / size.w, pixel % size.w);
        f(pixel, place.vector * LANES + place.lane);
    }
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

/// Rounds values, blocks as [`to_floats`] makes them, to words; zero bits where there is no channel.
pub fn from_floats(values: &[f32], (maps, rounding): (Maps, Rounding), words: &mut [Word]) {
    let Maps { layout, channels, size } = maps;
    let plane = size.pixels() * LANES;
    assert_eq!(words.len(), maps.words(), "words");
    assert_eq!(values.len(), layout.blocks() * channels * plane, "values");
    let own = words.len() / (layout.blocks() * quads(channels));
    let to = Rounder::new(rounding);
    words.par_chunks_exact_mut(own).enumerate().for_each(|(i, words)| {
        let (block, quad) = (i / quads(channels), i % quads(channels));
        let real = 4.min(channels - quad * 4);
        let values = &values[(block * channels + quad * 4) * plane..][..real * plane];
        words.fill(0);
        match layout {
            Layout::Images(_) => simd::<FromFloats, _>((values, to, words)),
            Layout::Tiles => each(size, |pixel, word| {
                for (r, values) in values.chunks_exact(plane).enumerate() {
                    words[word] |= to.step(values[pixel * LANES]) << (8 * r);
                }
            }),
        }
    });
}

struct FromFloats;

impl Kernel<(&[f32], Rounder, &mut [Word])> for FromFloats {
    type Out = ();

    #[inline(always)]
    fn run((values, to, words): (&[f32], Rounder, &mut [Word])) {
        for (r, values) in values.chunks_exact(words.len()).enumerate() {
            let vectors = words.as_chunks_mut::<LANES>().0.iter_mut();
            for (word, values) in vectors.zip(values.as_chunks::<LANES>().0) {
                let steps = to.steps(values);
                for lane in 0..LANES {
                    word[lane] |= steps[lane] << (8 * r);
                }
            }
        }
    }
}
