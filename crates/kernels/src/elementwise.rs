//! Sums and products of activations, value by value and plane by plane.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::{LANES, isa, lanes};

/// Values of one piece: 64 KiB, within the first-level caches' reach.
const PIECE: usize = 1 << 14;

/// `sum += x`.
pub fn add(sum: &mut [f32], x: &[f32]) {
    assert_eq!(sum.len(), x.len(), "summands");
    let pieces = sum.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE));
    pieces.for_each(|(sum, x)| isa::dispatch(Accumulate { sum, x }));
}

/// `y = a * b`; the gradient of each factor is the product of the other and `dy`.
pub fn multiply(a: &[f32], b: &[f32], y: &mut [f32]) {
    assert!(a.len() == y.len() && b.len() == y.len(), "factors");
    let pieces = y.par_chunks_mut(PIECE).zip(a.par_chunks(PIECE)).zip(b.par_chunks(PIECE));
    pieces.for_each(|((y, a), b)| isa::dispatch(Multiply { a, b, y }));
}

/// [`add`] of one piece.
struct Accumulate<'a> {
    sum: &'a mut [f32],
    x: &'a [f32],
}

impl NullaryFnOnce for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.sum.iter_mut().zip(self.x).for_each(|(s, x)| *s += x);
    }
}

/// `y = a + b`, of one piece.
pub(crate) struct Sum<'a> {
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub y: &'a mut [f32],
}

impl NullaryFnOnce for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.y.iter_mut().zip(self.a).zip(self.b).for_each(|((y, a), b)| *y = a + b);
    }
}

/// [`multiply`] of one piece.
pub(crate) struct Multiply<'a> {
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub y: &'a mut [f32],
}

impl NullaryFnOnce for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.y.iter_mut().zip(self.a).zip(self.b).for_each(|((y, a), b)| *y = a * b);
    }
}

/// `x[plane, pixel] *= factor[plane]`, for planes of `pixels`: a factor for each of the sixteen
/// images of each plane, a vector.
pub fn scale(pixels: usize, factor: &[f32], x: &mut [f32]) {
    assert_eq!(x.len(), factor.len() * pixels, "values and factors");
    let planes = x.par_chunks_mut(pixels * LANES).zip(factor.par_chunks(LANES));
    planes.for_each(|(x, factor)| isa::dispatch(ScalePlane { factor, x }));
}

/// [`scale`] of one plane.
struct ScalePlane<'a> {
    factor: &'a [f32],
    x: &'a mut [f32],
}

impl NullaryFnOnce for ScalePlane<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let factor = &lanes::vectors(self.factor)[0];
        for x in lanes::vectors_mut(self.x) {
            (0..LANES).for_each(|l| x[l] *= factor[l]);
        }
    }
}

/// Two activations with planes of `pixels`.
#[derive(Debug, Clone, Copy)]
pub struct Products<'a> {
    /// One factor.
    pub a: &'a [f32],
    /// The other, as many values.
    pub b: &'a [f32],
    /// Pixels of a plane.
    pub pixels: usize,
}

/// `sum[plane] = sum over pixels of a[plane, pixel] * b[plane, pixel]`, a vector a plane: the
/// gradient of the factors of [`scale`].
pub fn products(products: Products, sum: &mut [f32]) {
    let Products { a, b, pixels } = products;
    assert!(a.len() == b.len() && a.len() == sum.len() * pixels, "factors and sums");
    let size = pixels * LANES;
    let planes = sum.par_chunks_mut(LANES).zip(a.par_chunks(size)).zip(b.par_chunks(size));
    planes.for_each(|((sum, a), b)| isa::dispatch(ProductsPlane { a, b, sum }));
}

/// [`products`] of one plane.
struct ProductsPlane<'a> {
    a: &'a [f32],
    b: &'a [f32],
    sum: &'a mut [f32],
}

impl NullaryFnOnce for ProductsPlane<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut sum = [0.0; LANES];
        for (a, b) in lanes::vectors(self.a).iter().zip(lanes::vectors(self.b)) {
            (0..LANES).for_each(|l| sum[l] += a[l] * b[l]);
        }
        self.sum.copy_from_slice(&sum);
    }
}
