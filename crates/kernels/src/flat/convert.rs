//! Between maps of one image, images as files have them, and blocks of sixteen images.

use pulp::{Simd, WithSimd};

use super::image::clear_around;
use super::{Image, Map, Output};
use crate::conv::transpose::transpose;
use crate::{LANES, isa, lanes};

/// Writes `image`, (channels, rows, columns).
pub fn from_plain(image: &[f32], y: Output) {
    let map = y.map;
    let pixels = map.h * map.w;
    assert_eq!(image.len(), map.channels * pixels, "values of the image");
    y.each_channel(|c, y| {
        let from = image[c * pixels..][..pixels].chunks_exact(map.w);
        for (row, from) in y[map.lead()..].chunks_mut(map.pitch()).zip(from) {
            row[..map.w].copy_from_slice(from);
        }
        clear_around(map, y);
    });
}

/// Writes the pixels of `x` as (channels, rows, columns).
pub fn to_plain(map: Map, x: &[f32], image: &mut [f32]) {
    assert!(image.len() == map.channels * map.h * map.w && x.len() == map.len(), "sizes");
    for (i, row) in image.chunks_exact_mut(map.w).enumerate() {
        let at = map.at(i / map.h, i % map.h, 0);
        row.copy_from_slice(&x[at..at + map.w]);
    }
}

/// Writes the pixels of `x` as a vector in the order (channels, rows, columns).
#[allow(clippy::needless_pass_by_value, reason = "as every operation takes its output")]
pub fn flatten(x: Image, y: Output) {
    assert_eq!(y.map, Map::vector(x.map.channels * x.map.h * x.map.w), "a value a pixel");
    assert_eq!(y.values.len(), y.map.len(), "values of the output");
    let (pixels, behind) = y.values.split_at_mut(y.map.channels);
    to_plain(x.map, x.values, pixels);
    behind.fill(0.0);
}

/// Writes up to sixteen images as a block (channels, rows, columns, 16), zeros in lanes without one.
pub fn to_block(map: Map, images: &[&[f32]], block: &mut [f32]) {
    assert!(images.len() <= LANES && images.iter().all(|x| x.len() == map.len()), "images");
    assert_eq!(block.len(), map.channels * map.h * map.w * LANES, "block");
    isa::dispatch(ToBlock { map, images, block });
}

struct ToBlock<'a> {
    map: Map,
    images: &'a [&'a [f32]],
    block: &'a mut [f32],
}

impl WithSimd for ToBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { map, images, block } = self;
        for (i, row) in lanes::vectors_mut(block).chunks_exact_mut(map.w).enumerate() {
            let first = map.at(i / map.h, i % map.h, 0);
            for (part, pixels) in row.chunks_mut(LANES).enumerate() {
                let mut square = [[0.0; LANES]; LANES];
                for (image, to) in images.iter().zip(&mut square) {
                    let from = &image[first + part * LANES..][..pixels.len()];
                    to[..from.len()].copy_from_slice(from);
                }
                let turned = transpose(simd, &square);
                pixels.copy_from_slice(&turned[..pixels.len()]);
            }
        }
    }
}
