//! Sums and products of activations.

use rayon::prelude::*;

use crate::{Kernel, LANES, lanes, simd};

/// Values of one piece: 64 KiB, within the first-level caches' reach.
const PIECE: usize = 1 << 14;

/// `sum += x`.
pub fn add(sum: &mut [f32], x: &[f32]) {
    assert_eq!(sum.len(), x.len(), "summands");
    let pieces = sum.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE));
    pieces.for_each(simd::<Accumulate, _>);
}

/// [`add`] of one piece.
pub(crate) struct Accumulate;

impl Kernel<(&mut [f32], &[f32])> for Accumulate {
    type Out = ();

    #[inline(always)]
    fn run((sum, x): (&mut [f32], &[f32])) {
        sum.iter_mut().zip(x).for_each(|(s, x)| *s += x);
    }
}

/// `x[plane, pixel] *= factor[plane]`, for planes of `pixels`: a factor for each of the sixteen
/// images of each plane, a vector.
pub fn scale(x: &mut [f32], factor: &[f32], pixels: usize) {
    assert_eq!(x.len(), factor.len() * pixels, "values and factors");
    let planes = x.par_chunks_mut(pixels * LANES).zip(factor.par_chunks(LANES));
    planes.for_each(simd::<ScalePlane, _>);
}

/// One plane.
struct ScalePlane;

impl Kernel<(&mut [f32], &[f32])> for ScalePlane {
    type Out = ();

    #[inline(always)]
    fn run((x, factor): (&mut [f32], &[f32])) {
        let factor = &lanes::vectors(factor)[0];
        for v in lanes::vectors_mut(x) {
            (0..LANES).for_each(|l| v[l] *= factor[l]);
        }
    }
}

/// `sum[plane] = sum over pixels of a[plane, pixel] * b[plane, pixel]`, a vector a plane: the
/// gradient of the factors of [`scale`].
pub fn products(a: &[f32], b: &[f32], pixels: usize, sum: &mut [f32]) {
    assert!(a.len() == b.len() && a.len() == sum.len() * pixels, "factors and sums");
    let size = pixels * LANES;
    let planes = sum.par_chunks_mut(LANES).zip(a.par_chunks(size)).zip(b.par_chunks(size));
    planes.for_each(|((sum, a), b)| simd::<ProductsPlane, _>((sum, a, b)));
}

/// One plane.
struct ProductsPlane;

impl Kernel<(&mut [f32], &[f32], &[f32])> for ProductsPlane {
    type Out = ();

    #[inline(always)]
    fn run((out, a, b): (&mut [f32], &[f32], &[f32])) {
        let mut sum = [0.0; LANES];
        for (a, b) in lanes::vectors(a).iter().zip(lanes::vectors(b)) {
            (0..LANES).for_each(|l| sum[l] += a[l] * b[l]);
        }
        out.copy_from_slice(&sum);
    }
}
