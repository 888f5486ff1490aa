//! Averages of windows.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{Planes, Pooling, Taps, Windows};
use crate::{LANES, Size, isa, lanes};

/// What averages are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Average {
    /// Windows that move by a stride.
    Windows {
        /// Their sizes.
        pooling: Pooling,
        /// Whether zeros of the padding are averaged too; else sums are divided by the number of
        /// pixels inside the input, and a window without any is 0.
        count_padding: bool,
    },
    /// A grid of windows that cover the input (adaptive pooling): along each axis window `o` spans
    /// the pixels from `floor(o * input / output)` up to `ceil((o + 1) * input / output)`, so that
    /// neighbours may share some. A grid of one window is the global average.
    Grid {
        /// Size of the input.
        input: Size,
        /// Windows down and across.
        output: Size,
    },
}

impl Average {
    /// Size of the input.
    pub fn input(&self) -> Size {
        match self {
            Self::Windows { pooling, .. } => pooling.size,
            Self::Grid { input, .. } => *input,
        }
    }

    /// Size of the output.
    pub fn output(&self) -> Size {
        match self {
            Self::Windows { pooling, .. } => pooling.output(),
            Self::Grid { output, .. } => *output,
        }
    }

    /// Which pixels each window reads.
    pub(crate) fn windows(&self) -> Windows {
        match self {
            Self::Windows { pooling, count_padding } => pooling.windows(*count_padding),
            Self::Grid { input, output } => Windows {
                width: input.w,
                rows: grid(input.h, output.h),
                columns: grid(input.w, output.w),
            },
        }
    }

    /// Whether one window is all of the input.
    pub(crate) fn is_global(&self) -> bool {
        matches!(self, Self::Grid { output: Size { h: 1, w: 1 }, .. })
    }
}

/// The windows of a grid along one axis.
fn grid(input: usize, output: usize) -> Vec<Taps> {
    let window = |o: usize| {
        let (next, end) = (o * input / output, ((o + 1) * input).div_ceil(output));
        Taps { next, end, step: 1, counted: end - next }
    };
    (0..output).map(window).collect()
}

/// `y = mean over each window of x`, for every block and channel.
pub fn average(average: &Average, x: &[f32], y: &mut [f32]) {
    let planes = Planes::new(average.input(), average.output(), [x.len(), y.len()]);
    let each = y.par_chunks_mut(planes.output).zip(x.par_chunks(planes.input));
    if average.is_global() {
        return each.for_each(|(y, x)| isa::dispatch(Mean { x, y }));
    }
    let windows = &average.windows();
    each.for_each(|(y, x)| isa::dispatch(Means { windows, x, y }));
}

/// Writes `dx`: the sum over the windows that hold the pixel of their `dy / pixels`.
pub fn average_backward(average: &Average, dy: &[f32], dx: &mut [f32]) {
    let planes = Planes::new(average.input(), average.output(), [dx.len(), dy.len()]);
    let each = dx.par_chunks_mut(planes.input).zip(dy.par_chunks(planes.output));
    if average.is_global() {
        return each.for_each(|(dx, dy)| isa::dispatch(Spread { dy, dx }));
    }
    let windows = &average.windows();
    each.for_each(|(dx, dy)| isa::dispatch(Backward { windows, dy, dx }));
}

/// [`average`] of one block and channel.
struct Means<'a> {
    windows: &'a Windows,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl NullaryFnOnce for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Windows { width, rows, columns } = self.windows;
        let x = lanes::vectors(self.x);
        let out = lanes::vectors_mut(self.y).chunks_exact_mut(columns.len());
        for (rows, out) in rows.iter().zip(out) {
            for (columns, y) in columns.iter().zip(out) {
                let mut sum = [0.0; LANES];
                for row in *rows {
                    for column in *columns {
                        let x = &x[row * width + column];
                        (0..LANES).for_each(|l| sum[l] += x[l]);
                    }
                }
                let count = divisor(rows, columns);
                (0..LANES).for_each(|l| y[l] = sum[l] / count);
            }
        }
    }
}

/// By what the sum of a window is divided. A window of nothing has the sum 0, and the mean 0.
#[inline(always)]
pub(crate) fn divisor(rows: &Taps, columns: &Taps) -> f32 {
    (rows.counted * columns.counted).max(1) as f32
}

/// [`average_backward`] of one block and channel.
struct Backward<'a> {
    windows: &'a Windows,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Windows { width, rows, columns } = self.windows;
        let dx = lanes::vectors_mut(self.dx);
        dx.fill([0.0; LANES]);
        let dy = lanes::vectors(self.dy).chunks_exact(columns.len());
        for (rows, dy) in rows.iter().zip(dy) {
            for (columns, g) in columns.iter().zip(dy) {
                let count = divisor(rows, columns);
                let mut share = [0.0; LANES];
                (0..LANES).for_each(|l| share[l] = g[l] / count);
                for row in *rows {
                    for column in *columns {
                        let to = &mut dx[row * width + column];
                        (0..LANES).for_each(|l| to[l] += share[l]);
                    }
                }
            }
        }
    }
}

/// The mean of a whole plane.
struct Mean<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl NullaryFnOnce for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut sum = [0.0; LANES];
        for x in lanes::vectors(self.x) {
            (0..LANES).for_each(|l| sum[l] += x[l]);
        }
        let pixels = (self.x.len() / LANES) as f32;
        (0..LANES).for_each(|l| self.y[l] = sum[l] / pixels);
    }
}

/// The gradient of [`Mean`].
struct Spread<'a> {
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl NullaryFnOnce for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let pixels = (self.dx.len() / LANES) as f32;
        for dx in lanes::vectors_mut(self.dx) {
            (0..LANES).for_each(|l| dx[l] = self.dy[l] / pixels);
        }
    }
}
