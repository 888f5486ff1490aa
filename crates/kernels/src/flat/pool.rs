//! Pooling of one image.

use super::Map;
use crate::pool::{Pooling, larger};
use crate::{Kernel, average, simd};

/// `y = max over each window of x`, channel by channel.
pub fn max_pool(p: Pooling, (from, x): (Map, &[f32]), (to, y): (Map, &mut [f32])) {
    assert_eq!((from.h, from.w, to.h, to.w), (p.h, p.w, p.oh(), p.ow()), "maps");
    check((from, x), (to, y));
    simd::<Maxima, _>((p, (from, x), (to, y)));
}

/// `y = mean over each window of x`, channel by channel, for windows as in [`average::Grid`].
pub fn average(grid: average::Grid, (from, x): (Map, &[f32]), (to, y): (Map, &mut [f32])) {
    assert_eq!((from.h, from.w), (grid.h, grid.w), "input");
    assert_eq!((to.h, to.w), (grid.side, grid.side), "output");
    check((from, x), (to, y));
    simd::<Means, _>((grid, (from, x), (to, y)));
}

fn check((from, x): (Map, &[f32]), (to, y): (Map, &[f32])) {
    assert_eq!(from.channels, to.channels, "channels");
    assert!(x.len() == from.len() && y.len() == to.len(), "sizes");
}

/// Writes `of(c, oy, ox)` to every pixel and zeros around them.
#[inline(always)]
fn each(to: Map, y: &mut [f32], of: impl Fn(usize, usize, usize) -> f32) {
    for c in 0..to.channels {
        y[c * to.plane()..(c + 1) * to.plane()].fill(0.0);
        for oy in 0..to.h {
            let row = &mut y[to.at(c, oy, 0)..][..to.w];
            for (ox, y) in row.iter_mut().enumerate() {
                *y = of(c, oy, ox);
            }
        }
    }
}

struct Maxima;

impl Kernel<(Pooling, (Map, &[f32]), (Map, &mut [f32]))> for Maxima {
    type Out = ();

    #[inline(always)]
    fn run((p, (from, x), (to, y)): (Pooling, (Map, &[f32]), (Map, &mut [f32]))) {
        if (p.kernel, p.stride, p.padding) == (2, 2, 0) {
            return pairs((from, x), (to, y));
        }
        each(to, y, |c, oy, ox| {
            let mut best = f32::NEG_INFINITY;
            for iy in p.span(oy, from.h) {
                for ix in p.span(ox, from.w) {
                    best = larger(best, x[from.at(c, iy, ix)]);
                }
            }
            best
        });
    }
}

/// Windows of two by two that do not overlap, the most frequent, two rows at a time.
#[inline(always)]
fn pairs((from, x): (Map, &[f32]), (to, y): (Map, &mut [f32])) {
    for c in 0..to.channels {
        y[c * to.plane()..(c + 1) * to.plane()].fill(0.0);
        for oy in 0..to.h {
            let row = |iy: usize| x[from.at(c, iy, 0)..][..2 * to.w].as_chunks::<2>().0;
            let (upper, lower) = (row(2 * oy), row(2 * oy + 1));
            let out = &mut y[to.at(c, oy, 0)..][..to.w];
            for ((y, a), b) in out.iter_mut().zip(upper).zip(lower) {
                *y = larger(larger(larger(a[0], a[1]), b[0]), b[1]);
            }
        }
    }
}

struct Means;

impl Kernel<(average::Grid, (Map, &[f32]), (Map, &mut [f32]))> for Means {
    type Out = ();

    #[inline(always)]
    fn run((grid, (from, x), (to, y)): (average::Grid, (Map, &[f32]), (Map, &mut [f32]))) {
        each(to, y, |c, oy, ox| {
            let (rows, columns) = (grid.span(oy, from.h), grid.span(ox, from.w));
            let count = rows.len() * columns.len();
            let row = |y: usize| x[from.at(c, y, columns.start)..][..columns.len()].iter();
            rows.flat_map(row).sum::<f32>() / count as f32
        });
    }
}
