//! The transforms of one dimension; both apply them to columns, then to rows.

use pulp::Simd;

use super::{IN, OUT};

/// `B^T d`: six inputs to six points.
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, d: [S::f32s; IN]) -> [S::f32s; IN] {
    let (two, four, five) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(5.0));
    let even = s.sub_f32s(d[4], s.mul_f32s(four, d[2]));
    let odd = s.sub_f32s(d[3], s.mul_f32s(four, d[1]));
    let near = s.sub_f32s(d[4], d[2]);
    let far = s.mul_f32s(two, s.sub_f32s(d[3], d[1]));
    [
        s.mul_add_f32s(four, d[0], s.sub_f32s(d[4], s.mul_f32s(five, d[2]))),
        s.add_f32s(even, odd),
        s.sub_f32s(even, odd),
        s.add_f32s(near, far),
        s.sub_f32s(near, far),
        s.mul_add_f32s(four, d[1], s.sub_f32s(d[5], s.mul_f32s(five, d[3]))),
    ]
}

/// `A^T m`: six points to four outputs.
#[inline(always)]
pub(super) fn output<S: Simd>(s: S, m: [S::f32s; IN]) -> [S::f32s; OUT] {
    let (two, four, eight) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(8.0));
    let (even, odd) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
    let (far, wide) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
    [
        s.add_f32s(m[0], s.add_f32s(even, far)),
        s.mul_add_f32s(two, wide, odd),
        s.mul_add_f32s(four, far, even),
        s.add_f32s(s.mul_add_f32s(eight, wide, odd), m[5]),
    ]
}

/// `A d`: the transpose of [`output`], four gradients to six points.
#[inline(always)]
pub(super) fn gradient<S: Simd>(s: S, d: [S::f32s; OUT]) -> [S::f32s; IN] {
    let (two, four, eight) = (s.splat_f32s(2.0), s.splat_f32s(4.0), s.splat_f32s(8.0));
    let (even, odd) = (s.add_f32s(d[0], d[2]), s.add_f32s(d[1], d[3]));
    let far = s.mul_add_f32s(four, d[2], d[0]);
    let wide = s.mul_add_f32s(eight, d[3], s.mul_f32s(two, d[1]));
    [
        d[0],
        s.add_f32s(even, odd),
        s.sub_f32s(even, odd),
        s.add_f32s(far, wide),
        s.sub_f32s(far, wide),
        d[3],
    ]
}

/// `G g`: three weights to six points.
#[inline(always)]
pub(super) fn weight<S: Simd>(s: S, g: [S::f32s; 3]) -> [S::f32s; IN] {
    let sixth = s.splat_f32s(-1.0 / 6.0);
    let even = s.mul_f32s(sixth, s.add_f32s(g[0], g[2]));
    let odd = s.mul_f32s(sixth, g[1]);
    let far =
        s.mul_add_f32s(s.splat_f32s(1.0 / 6.0), g[2], s.mul_f32s(s.splat_f32s(1.0 / 24.0), g[0]));
    let wide = s.mul_f32s(s.splat_f32s(1.0 / 12.0), g[1]);
    [
        s.mul_f32s(s.splat_f32s(0.25), g[0]),
        s.add_f32s(even, odd),
        s.sub_f32s(even, odd),
        s.add_f32s(far, wide),
        s.sub_f32s(far, wide),
        g[2],
    ]
}

/// `G^T m`: the transpose of [`weight`], six points to three weights' gradients.
#[inline(always)]
pub(super) fn weight_gradient<S: Simd>(s: S, m: [S::f32s; IN]) -> [S::f32s; 3] {
    let sixth = s.splat_f32s(-1.0 / 6.0);
    let (even, odd) = (s.add_f32s(m[1], m[2]), s.sub_f32s(m[1], m[2]));
    let (far, wide) = (s.add_f32s(m[3], m[4]), s.sub_f32s(m[3], m[4]));
    let first = s.mul_add_f32s(s.splat_f32s(0.25), m[0], s.mul_f32s(sixth, even));
    [
        s.mul_add_f32s(s.splat_f32s(1.0 / 24.0), far, first),
        s.mul_add_f32s(s.splat_f32s(1.0 / 12.0), wide, s.mul_f32s(sixth, odd)),
        s.add_f32s(s.mul_f32s(sixth, s.sub_f32s(even, far)), m[5]),
    ]
}

/// Applies a transform of one dimension to the columns and then to the rows of a square.
macro_rules! square {
    ($name:ident, $one:ident, $from:expr, $to:expr) => {
        #[inline(always)]
        pub(super) fn $name<S: Simd>(s: S, d: &[[S::f32s; $from]; $from]) -> [[S::f32s; $to]; $to] {
            let zero = s.splat_f32s(0.0);
            let mut half = [[zero; $from]; $to];
            for x in 0..$from {
                let mut column = [zero; $from];
                for y in 0..$from {
                    column[y] = d[y][x];
                }
                let column = $one(s, column);
                for y in 0..$to {
                    half[y][x] = column[y];
                }
            }
            let mut out = [[zero; $to]; $to];
            for y in 0..$to {
                out[y] = $one(s, half[y]);
            }
            out
        }
    };
}

square!(input_square, input, 6, 6);
square!(output_square, output, 6, 4);
square!(gradient_square, gradient, 4, 6);
square!(weight_square, weight, 3, 6);
square!(weight_gradient_square, weight_gradient, 6, 3);
