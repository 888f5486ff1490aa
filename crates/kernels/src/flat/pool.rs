//! Pooling of one image.
//!
//! A row of windows is reduced to one line of pixels first, and that to the windows.

use pulp::NullaryFnOnce;

use super::image::rows;
use super::{Image, Map, Output};
use crate::pool::{Average, Pooling, Taps, Windows, divisor, larger};
use crate::{LANES, Size, Window, isa, pairs, scratch};

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
    let map = y.map;
    if average.is_global() {
        let pixels = (x.map.h * x.map.w) as f32;
        return y.each_channel(|c, y| {
            let sum = isa::dispatch(Total(x.channel(c)));
            rows(map, y).for_each(|row| row.fill(sum / pixels));
        });
    }
    let windows = &average.windows();
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
        line.fill(f32::NEG_INFINITY);
        for (row, out) in windows.rows.iter().zip(rows(map, y)) {
            over_rows((x, c), *row, (f32::NEG_INFINITY, larger), &mut line[pixels.clone()]);
            over_columns(window, line, (f32::NEG_INFINITY, larger), out);
        }
    }
}

/// Calls `$f::<N>` for the most values at a time, up to sixteen, that `$len` has.
macro_rules! by_width {
    ($len:expr, $f:ident $arguments:tt) => {
        match $len {
            LANES.. => $f::<LANES> $arguments,
            8.. => $f::<8> $arguments,
            4.. => $f::<4> $arguments,
            _ => $f::<1> $arguments,
        }
    };
}

/// Where vectors of `N` begin that cover `len` values; the last may overlap the one before it.
#[inline(always)]
fn starts<const N: usize>(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(N).map(move |at| at.min(len - N))
}

/// Folds `rows` of a channel with `f`, from `start`, and writes the results to `line`.
#[inline(always)]
fn over_rows(
    (x, c): (Image, usize),
    rows: Taps,
    fold: (f32, impl Fn(f32, f32) -> f32 + Copy),
    line: &mut [f32],
) {
    by_width!(line.len(), rows_of((x, c), rows, fold, line));
}

/// [`over_rows`] by vectors.
///
/// Each stays in registers until it is complete: for a maximum updated in memory the compiler would emit
/// masked stores, which take up to twice as long.
#[inline(always)]
fn rows_of<const N: usize>(
    (x, c): (Image, usize),
    rows: Taps,
    (start, f): (f32, impl Fn(f32, f32) -> f32),
    line: &mut [f32],
) {
    let (x, pitch) = (&x.values[x.map.at(c, 0, 0)..], x.map.pitch());
    for at in starts::<N>(line.len()) {
        let mut all = [start; N];
        for row in rows {
            let x = &x[row * pitch + at..][..N];
            all = std::array::from_fn(|i| f(all[i], x[i]));
        }
        line[at..at + N].copy_from_slice(&all);
    }
}

/// Writes to `out` what `f` makes of the columns of each window of `line`.
#[inline(always)]
fn over_columns(
    window: &Window,
    line: &[f32],
    fold: (f32, impl Fn(f32, f32) -> f32 + Copy),
    out: &mut [f32],
) {
    by_width!(out.len(), columns_of(window, line, fold, out));
}

/// [`over_columns`] by vectors.
#[inline(always)]
fn columns_of<const N: usize>(
    window: &Window,
    line: &[f32],
    (start, f): (f32, impl Fn(f32, f32) -> f32),
    out: &mut [f32],
) {
    let step = window.stride.w;
    for at in starts::<N>(out.len()) {
        let mut all = [start; N];
        for tap in (0..window.kernel.w).map(|tap| tap * window.dilation.w) {
            let line = &line[at * step + tap..];
            let x: [f32; N] = match step {
                1 => std::array::from_fn(|i| line[..N][i]),
                2 => pairs::first(line),
                _ => std::array::from_fn(|i| line[i * step]),
            };
            all = std::array::from_fn(|i| f(all[i], x[i]));
        }
        out[at..at + N].copy_from_slice(&all);
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

/// The sum of a channel's pixels, and of the zeros around them.
struct Total<'a>(&'a [f32]);

impl NullaryFnOnce for Total<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let (wide, rest) = self.0.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for vector in wide {
            sums.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
        }
        sums.iter().chain(rest).sum()
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
        line.fill(0.0);
        for (row, out) in windows.rows.iter().zip(rows(map, y)) {
            let sum = (0.0, |sum, x| sum + x);
            over_rows((x, c), *row, sum, &mut line[left..left + x.map.w]);
            if let Some(window) = window {
                over_columns(window, line, sum, out);
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
