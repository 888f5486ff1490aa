//! Global average pooling.

use rayon::prelude::*;

use crate::{LANES, lanes, simd};

/// `y[block, channel] = mean over pixels of x[block, channel]`.
pub fn forward(x: &[f32], pixels: usize, y: &mut [f32]) {
    assert_eq!(x.len(), y.len() * pixels, "input and output");
    y.par_chunks_mut(LANES).zip(x.par_chunks(pixels * LANES)).for_each(|(y, x)| {
        simd(|| {
            let mut sum = [0.0; LANES];
            for v in lanes::vectors(x) {
                (0..LANES).for_each(|l| sum[l] += v[l]);
            }
            (0..LANES).for_each(|l| y[l] = sum[l] / pixels as f32);
        });
    });
}

/// `dx[block, channel, pixel] = dy[block, channel] / pixels`.
pub fn backward(dy: &[f32], pixels: usize, dx: &mut [f32]) {
    assert_eq!(dx.len(), dy.len() * pixels, "input and output");
    dx.par_chunks_mut(pixels * LANES).zip(dy.par_chunks(LANES)).for_each(|(dx, dy)| {
        simd(|| {
            for v in lanes::vectors_mut(dx) {
                (0..LANES).for_each(|l| v[l] = dy[l] / pixels as f32);
            }
        });
    });
}
