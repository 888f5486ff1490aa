//! Between images as files have them, `(n, channels, height, width)`, and blocks of sixteen.

use rayon::prelude::*;

use crate::{LANES, Lanes};

/// Pixels of a block that are written together: 16 KiB, so that they stay in the first-level cache.
const PIECE: usize = 256;

/// Writes the images `nchw` (each of `pixels` values) into blocks; lanes without an image get 0.
pub fn to_blocks(nchw: &[f32], pixels: usize, lanes: Lanes, blocks: &mut [f32]) {
    assert_eq!(nchw.len(), lanes.images() * pixels, "images");
    assert_eq!(blocks.len(), lanes.blocks() * pixels * LANES, "blocks");
    blocks.par_chunks_exact_mut(pixels * LANES).enumerate().for_each(|(b, block)| {
        block.par_chunks_mut(PIECE * LANES).enumerate().for_each(|(p, piece)| {
            piece.fill(0.0);
            for lane in 0..lanes.real(b) {
                let image = &nchw[(b * LANES + lane) * pixels + p * PIECE..];
                for (vector, value) in piece.as_chunks_mut::<LANES>().0.iter_mut().zip(image) {
                    vector[lane] = *value;
                }
            }
        });
    });
}

/// Writes the real images of `blocks` as `(n, pixels)`.
pub fn from_blocks(blocks: &[f32], pixels: usize, lanes: Lanes, nchw: &mut [f32]) {
    assert_eq!(nchw.len(), lanes.images() * pixels, "images");
    assert_eq!(blocks.len(), lanes.blocks() * pixels * LANES, "blocks");
    for (n, image) in nchw.chunks_mut(pixels).enumerate() {
        let block = &blocks[n / LANES * pixels * LANES..][..pixels * LANES];
        for (value, vector) in image.iter_mut().zip(block.as_chunks::<LANES>().0) {
            *value = vector[n % LANES];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for images in [1, 15, 16, 17, 40] {
            let lanes = Lanes::of(images);
            let nchw: Vec<f32> = (0..images * 6).map(|i| i as f32 + 1.0).collect();
            let mut blocks = vec![7.0; lanes.blocks() * 6 * LANES];
            to_blocks(&nchw, 6, lanes, &mut blocks);
            let filled = blocks.iter().filter(|v| **v == 0.0).count();
            assert_eq!(filled, blocks.len() - nchw.len());
            let mut back = vec![0.0; nchw.len()];
            from_blocks(&blocks, 6, lanes, &mut back);
            assert_eq!(back, nchw);
        }
    }
}
