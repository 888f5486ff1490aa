//! Maxima of windows.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{Planes, Pooling, Windows};
use crate::{LANES, Size, Window, isa, lanes};

/// Values of sixteen images.
type Vector = [f32; LANES];

/// `y = max over each window of x`, for every block and channel; minus infinity where a window
/// lies wholly in the padding.
pub fn max(pooling: &Pooling, x: &[f32], y: &mut [f32]) {
    let planes = Planes::new(pooling.size, pooling.output(), [x.len(), y.len()]);
    let windows = &pooling.windows(false);
    let each = y.par_chunks_mut(planes.output).zip(x.par_chunks(planes.input));
    each.for_each(|(y, x)| isa::dispatch(Max { windows, x, y }));
}

/// [`max`] of one block and channel.
struct Max<'a> {
    windows: &'a Windows,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl NullaryFnOnce for Max<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Windows { width, rows, columns } = self.windows;
        let x = lanes::vectors(self.x);
        let out = lanes::vectors_mut(self.y).chunks_exact_mut(columns.len());
        for (rows, out) in rows.iter().zip(out) {
            for (columns, y) in columns.iter().zip(out) {
                let mut best = [f32::NEG_INFINITY; LANES];
                for row in *rows {
                    for column in *columns {
                        let new = &x[row * width + column];
                        for l in 0..LANES {
                            best[l] = larger(best[l], new[l]);
                        }
                    }
                }
                *y = best;
            }
        }
    }
}

/// The larger of two, NaN if the new one is, as `PyTorch` has it.
#[inline(always)]
pub(crate) fn larger(best: f32, new: f32) -> f32 {
    if (new > best) | new.is_nan() { new } else { best }
}

/// What the gradient of a maximum follows from.
#[derive(Debug, Clone, Copy)]
pub struct MaxSaved<'a> {
    /// The input.
    pub x: &'a [f32],
    /// The gradient of the output.
    pub dy: &'a [f32],
}

/// Writes `dx`: the sum of `dy` over the windows whose first maximum the pixel is, as in `PyTorch`.
/// A NaN takes the gradient of its window, the first of several (in `PyTorch` the last).
pub fn max_backward(pooling: &Pooling, saved: MaxSaved, dx: &mut [f32]) {
    let MaxSaved { x, dy } = saved;
    let planes = Planes::new(pooling.size, pooling.output(), [x.len(), dy.len()]);
    assert_eq!(x.len(), dx.len(), "input and its gradient");
    let windows = &pooling.windows(false);
    let pairs = pooling.output().pixels() > 0 && pooling.window == Window::square(2, 2, 0);
    let each = dx.par_chunks_mut(planes.input).zip(x.par_chunks(planes.input));
    each.zip(dy.par_chunks(planes.output)).for_each(|((dx, x), dy)| {
        if pairs && !pooling.ceil {
            isa::dispatch(BackwardOfPairs { size: pooling.size, x, dy, dx });
        } else {
            isa::dispatch(Backward { windows, x, dy, dx });
        }
    });
}

/// [`max_backward`] of one block and channel.
struct Backward<'a> {
    windows: &'a Windows,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Windows { width, rows, columns } = self.windows;
        let (x, dx) = (lanes::vectors(self.x), lanes::vectors_mut(self.dx));
        dx.fill([0.0; LANES]);
        let dy = lanes::vectors(self.dy).chunks_exact(columns.len());
        for (rows, dy) in rows.iter().zip(dy) {
            for (columns, g) in columns.iter().zip(dy) {
                let mut best = [f32::NEG_INFINITY; LANES];
                for row in *rows {
                    for column in *columns {
                        let new = x[row * width + column];
                        (0..LANES).for_each(|l| best[l] = larger(best[l], new[l]));
                    }
                }
                let mut left = *g;
                for row in *rows {
                    for column in *columns {
                        let at = row * width + column;
                        let given = give(&x[at], &best, &mut left);
                        let mut sum = dx[at];
                        (0..LANES).for_each(|l| sum[l] += given[l]);
                        dx[at] = sum;
                    }
                }
            }
        }
    }
}

/// What of the gradient `left` goes to a pixel: all of it if its value `x` is the `best`.
#[inline(always)]
fn give(x: &Vector, best: &Vector, left: &mut Vector) -> Vector {
    let (x, mut given) = (*x, [0.0; LANES]);
    for l in 0..LANES {
        let here = (x[l] == best[l]) | x[l].is_nan();
        given[l] = if here { left[l] } else { 0.0 };
        left[l] = if here { 0.0 } else { left[l] };
    }
    given
}

/// [`max_backward`] of one block and channel for windows of 2x2 that share no pixel: each gradient
/// is written once.
struct BackwardOfPairs<'a> {
    size: Size,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl NullaryFnOnce for BackwardOfPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Size { h, w } = self.size;
        let (x, dy) = (lanes::vectors(self.x), lanes::vectors(self.dy));
        let (pairs, rest) = lanes::vectors_mut(self.dx).split_at_mut(h / 2 * 2 * w);
        let rows = x.chunks_exact(2 * w).zip(pairs.chunks_exact_mut(2 * w));
        for ((x, dx), dy) in rows.zip(dy.chunks_exact(w / 2)) {
            let ((upper, lower), (to_upper, to_lower)) = (x.split_at(w), dx.split_at_mut(w));
            let from = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            let to = to_upper.chunks_exact_mut(2).zip(to_lower.chunks_exact_mut(2));
            for (((upper, lower), (to_upper, to_lower)), g) in from.zip(to).zip(dy) {
                let (mut best, mut left) = ([f32::NEG_INFINITY; LANES], *g);
                for x in [&upper[0], &upper[1], &lower[0], &lower[1]] {
                    (0..LANES).for_each(|l| best[l] = larger(best[l], x[l]));
                }
                for (x, to) in upper.iter().zip(to_upper) {
                    *to = give(x, &best, &mut left);
                }
                for (x, to) in lower.iter().zip(to_lower) {
                    *to = give(x, &best, &mut left);
                }
            }
            if w % 2 == 1 {
                (to_upper[w - 1], to_lower[w - 1]) = ([0.0; LANES], [0.0; LANES]);
            }
        }
        rest.fill([0.0; LANES]);
    }
}
