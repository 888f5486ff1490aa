//! Pooling of one image.
//!
//! A row of windows is reduced to one line of pixels first, and that to the windows.

use pulp::NullaryFnOnce;

use super::image::rows;
use super::{Image, Map, Output};
use crate::pool::{Average, Pooling, Windows, divisor, larger};
use crate::{Size, Window, isa, scratch};

/// `y = max over each window of x`, channel by channel.
pub fn max_pool(pooling: &Pooling, x: Image, y: Output) {
    check(pooling.size, pooling.output(), x, &y);
    let (map, windows) = (y.map, &pooling.windows(false));
    let pairs = pooling.window == Window::square(2, 2, 0) && !pooling.ceil;
    let line = line_len(pooling);
    y.each_channel(|c, y| {
        if pairs {
            return isa::dispatch(Pairs { x, c, map, y });
        }
        scratch::with(line, |line| {
            isa::dispatch(Maxima { window: &pooling.window, windows, x, c, map, y, line });
        });
    });
}

/// `y = mean over each window of x`, channel by channel.
pub fn average(average: &Average, x: Image, y: Output) {
    check(average.input(), average.output(), x, &y);
    let (map, windows) = (y.map, &average.windows());
    let (window, len) = match average {
        Average::Windows { pooling, .. } => (Some(&pooling.window), line_len(pooling)),
        Average::Grid { .. } => (None, x.map.w),
    };
    y.each_channel(|c, y| {
        scratch::with(len, |line| {
            isa::dispatch(Means { window, windows, x, c, map, y, line });
        });
    });
}

fn check(input: Size, output: Size, x: Image, y: &Output) {
    x.check();
    let [from, to] = [x.map, y.map].map(|map| Size { h: map.h, w: map.w });
    assert_eq!((from, to, x.map.channels), (input, output, y.map.channels), "maps");
}

/// Room for a padded row, as far as windows and steps reach.
fn line_len(pooling: &Pooling) -> usize {
    let Pooling { size, window, .. } = pooling;
    let reach = pooling.output().w * window.stride.w + window.span().w;
    reach.max(window.padding.left + size.w)
}

/// One channel of [`max_pool`].
struct Maxima<'a> {
    window: &'a Window,
    windows: &'a Windows,
    x: Image<'a>,
    c: usize,
    map: Map,
    y: &'a mut [f32],
    line: &'a mut [f32],
}

impl NullaryFnOnce for Maxima<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { window, windows, x, c, map, y, line } = self;
        let pixels = window.padding.left..window.padding.left + x.map.w;
        for (row, out) in windows.rows.iter().zip(rows(map, y)) {
            line.fill(f32::NEG_INFINITY);
            for at in *row {
                let inner = line[pixels.clone()].iter_mut();
                inner.zip(x.row(c, at)).for_each(|(best, x)| *best = larger(*best, *x));
            }
            out.fill(f32::NEG_INFINITY);
            fold(window, line, out, larger);
        }
    }
}

/// Takes each tap of the windows along `line` into `out`.
#[inline(always)]
fn fold(window: &Window, line: &[f32], out: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for tap in 0..window.kernel.w {
        let line = &line[tap * window.dilation.w..];
        match window.stride.w {
            1 => out.iter_mut().zip(line).for_each(|(y, x)| *y = f(*y, *x)),
            2 => {
                let pairs = line.as_chunks::<2>().0;
                out.iter_mut().zip(pairs).for_each(|(y, x)| *y = f(*y, x[0]));
            }
            stride => {
                let steps = line.iter().step_by(stride);
                out.iter_mut().zip(steps).for_each(|(y, x)| *y = f(*y, *x));
            }
        }
    }
}

/// One channel of windows of two by two that do not overlap, the most frequent, two rows at a time.
struct Pairs<'a> {
    x: Image<'a>,
    c: usize,
    map: Map,
    y: &'a mut [f32],
}

impl NullaryFnOnce for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, c, map, y } = self;
        for (i, out) in rows(map, y).enumerate() {
            let row = |row: usize| x.row(c, row).as_chunks::<2>().0;
            let (upper, lower) = (row(2 * i), row(2 * i + 1));
            for ((y, a), b) in out.iter_mut().zip(upper).zip(lower) {
                *y = larger(larger(larger(a[0], a[1]), b[0]), b[1]);
            }
        }
    }
}

/// One channel of [`average`].
struct Means<'a> {
    /// The windows if they are all alike.
    window: Option<&'a Window>,
    windows: &'a Windows,
    x: Image<'a>,
    c: usize,
    map: Map,
    y: &'a mut [f32],
    line: &'a mut [f32],
}

impl NullaryFnOnce for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { window, windows, x, c, map, y, line } = self;
        let left = window.map_or(0, |window| window.padding.left);
        for (row, out) in windows.rows.iter().zip(rows(map, y)) {
            line.fill(0.0);
            for at in *row {
                let inner = line[left..left + x.map.w].iter_mut();
                inner.zip(x.row(c, at)).for_each(|(sum, x)| *sum += x);
            }
            if let Some(window) = window {
                fold(window, line, out, |sum, x| sum + x);
            } else {
                for (y, column) in out.iter_mut().zip(&windows.columns) {
                    *y = line[column.next..column.end].iter().sum();
                }
            }
            for (y, column) in out.iter_mut().zip(&windows.columns) {
                *y /= divisor(row, column);
            }
        }
    }
}
