//! Global average pooling.

use rayon::prelude::*;

use crate::{Kernel, LANES, lanes, simd};

/// `y[block, channel] = mean over pixels of x[block, channel]`.
pub fn forward(x: &[f32], pixels: usize, y: &mut [f32]) {
    assert_eq!(x.len(), y.len() * pixels, "input and output");
    let planes = y.par_chunks_mut(LANES).zip(x.par_chunks(pixels * LANES));
    planes.for_each(simd::<Mean, _>);
}

/// The mean of one plane.
struct Mean;

impl Kernel<(&mut [f32], &[f32])> for Mean {
    type Out = ();

    #[inline(always)]
    fn run((y, x): (&mut [f32], &[f32])) {
        let mut sum = [0.0; LANES];
        for v in lanes::vectors(x) {
            (0..LANES).for_each(|l| sum[l] += v[l]);
        }
        let pixels = (x.len() / LANES) as f32;
        (0..LANES).for_each(|l| y[l] = sum[l] / pixels);
    }
}

/// `dx[block, channel, pixel] = dy[block, channel] / pixels`.
pub fn backward(dy: &[f32], pixels: usize, dx: &mut [f32]) {
    assert_eq!(dx.len(), dy.len() * pixels, "input and output");
    let planes = dx.par_chunks_mut(pixels * LANES).zip(dy.par_chunks(LANES));
    planes.for_each(simd::<Spread, _>);
}

/// The gradient of one plane.
struct Spread;

impl Kernel<(&mut [f32], &[f32])> for Spread {
    type Out = ();

    #[inline(always)]
    fn run((dx, dy): (&mut [f32], &[f32])) {
        let pixels = (dx.len() / LANES) as f32;
        for v in lanes::vectors_mut(dx) {
            (0..LANES).for_each(|l| v[l] = dy[l] / pixels);
        }
    }
}
