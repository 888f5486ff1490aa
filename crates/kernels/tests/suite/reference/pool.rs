//! Pooling.

use kernels::pool::{Average, Pooling};
use kernels::{Size, Window};

use crate::array::Array;

/// Where an output's channel is taken from, and its window.
struct At {
    plane: [usize; 2],
    row: usize,
    column: usize,
}

/// An array of windows, each with what `value` says.
fn each(size: Size, x: &Array, value: impl Fn(&At) -> f64) -> Array {
    let [images, channels, ..] = x.shape;
    let mut y = Array::zeros([images, channels, size.h, size.w]);
    for i in 0..y.values.len() {
        let (plane, pixel) = (i / size.pixels(), i % size.pixels());
        let plane = [plane / channels, plane % channels];
        y.values[i] = value(&At { plane, row: pixel / size.w, column: pixel % size.w });
    }
    y
}

/// Rows and columns of a window's taps, some of them in the padding or beyond it.
fn taps(window: &Window, at: &At) -> Vec<[isize; 2]> {
    let row = |tap: usize| (at.row * window.stride.h + tap * window.dilation.h) as isize;
    let column = |tap: usize| (at.column * window.stride.w + tap * window.dilation.w) as isize;
    let (top, left) = (window.padding.top as isize, window.padding.left as isize);
    let all = (0..window.kernel.h).flat_map(|y| (0..window.kernel.w).map(move |x| [y, x]));
    all.map(|[y, x]| [row(y) - top, column(x) - left]).collect()
}

/// `y = max over each window of x`; minus infinity where the window lies in the padding.
pub fn max(pooling: &Pooling, x: &Array) -> Array {
    each(pooling.output(), x, |at| {
        let taps = taps(&pooling.window, at).into_iter();
        let values = taps.filter_map(|[row, column]| x.pixel(at.plane, row, column));
        values.fold(f64::NEG_INFINITY, f64::max)
    })
}

/// Each window's `dy` at the first of its pixels, row by row, that is its maximum.
pub fn max_backward(pooling: &Pooling, x: &Array, dy: &Array) -> Array {
    let (mut dx, y) = (Array::zeros(x.shape), max(pooling, x));
    let places = std::cell::RefCell::new(&mut dx.values);
    each(pooling.output(), x, |at| {
        let [n, c] = at.plane;
        let output = y.index([n, c, at.row, at.column]);
        let mut taps = taps(&pooling.window, at).into_iter();
        let is_largest =
            |[row, column]: &[isize; 2]| x.pixel(at.plane, *row, *column) == Some(y.values[output]);
        if let Some([row, column]) = taps.find(is_largest) {
            places.borrow_mut()[x.index([n, c, row as usize, column as usize])] +=
                dy.values[output];
        }
        0.0
    });
    dx
}

/// Means of windows as `torch.nn.AvgPool2d` and `AdaptiveAvgPool2d` document them.
pub fn average(average: &Average, x: &Array) -> Array {
    match average {
        Average::Windows { pooling, count_padding } => windows(pooling, *count_padding, x),
        Average::Grid { input, output } => grid(*input, *output, x),
    }
}

fn windows(pooling: &Pooling, count_padding: bool, x: &Array) -> Array {
    let (size, padding) = (pooling.size, pooling.window.padding);
    let (bottom, right) = ((size.h + padding.bottom) as isize, (size.w + padding.right) as isize);
    each(pooling.output(), x, |at| {
        let taps = taps(&pooling.window, at);
        let inside = taps.iter().filter_map(|[row, column]| x.pixel(at.plane, *row, *column));
        let inside: Vec<f64> = inside.collect();
        let padded = taps.iter().filter(|[row, column]| *row < bottom && *column < right).count();
        let count = if count_padding { padded } else { inside.len() };
        if inside.is_empty() { 0.0 } else { inside.iter().sum::<f64>() / count as f64 }
    })
}

fn grid(input: Size, output: Size, x: &Array) -> Array {
    let span = |o: usize, input: usize, output: usize| {
        let [first, end] = [o, o + 1].map(|o| (o * input) as f64 / output as f64);
        first.floor() as isize..end.ceil() as isize
    };
    each(output, x, |at| {
        let rows = span(at.row, input.h, output.h);
        let columns = span(at.column, input.w, output.w);
        let values = rows.flat_map(|row| {
            columns.clone().map(move |column| x.pixel(at.plane, row, column).expect("a pixel"))
        });
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    })
}
