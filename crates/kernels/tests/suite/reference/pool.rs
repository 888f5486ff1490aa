//! Max pooling.

use kernels::pool::Pooling;

use crate::array::Array;

/// `y = max over each window of x`; minus infinity where the window lies in the padding.
pub fn forward(p: Pooling, x: &Array) -> Array {
    let mut y = Array::zeros([x.shape[0], x.shape[1], p.oh(), p.ow()]);
    for n in 0..x.shape[0] {
        for c in 0..x.shape[1] {
            for oy in 0..p.oh() {
                for ox in 0..p.ow() {
                    let at = y.index([n, c, oy, ox]);
                    y.values[at] = window(p, x, [n, c], (oy, ox));
                }
            }
        }
    }
    y
}

/// Each window's `dy` at the first of its pixels, row by row, that is its maximum.
pub fn backward(p: Pooling, x: &Array, dy: &Array) -> Array {
    let (mut dx, y) = (Array::zeros(x.shape), forward(p, x));
    for n in 0..x.shape[0] {
        for c in 0..x.shape[1] {
            for oy in 0..p.oh() {
                for ox in 0..p.ow() {
                    let at = y.index([n, c, oy, ox]);
                    let mut pixels = pixels(p, (oy, ox)).into_iter();
                    let first =
                        pixels.find(|(y_, x_)| x.pixel([n, c], *y_, *x_) == Some(y.values[at]));
                    let (y_, x_) = first.expect("a window has a maximum");
                    dx.values[x.index([n, c, y_ as usize, x_ as usize])] += dy.values[at];
                }
            }
        }
    }
    dx
}

/// Rows and columns of a window's pixels, some of them in the padding.
fn pixels(p: Pooling, (oy, ox): (usize, usize)) -> Vec<(isize, isize)> {
    let at = |o: usize, k: usize| (o * p.stride + k) as isize - p.padding as isize;
    let rows = 0..p.kernel;
    rows.flat_map(|ky| (0..p.kernel).map(move |kx| (at(oy, ky), at(ox, kx)))).collect()
}

fn window(p: Pooling, x: &Array, plane: [usize; 2], at: (usize, usize)) -> f64 {
    let values = pixels(p, at).into_iter().filter_map(|(row, column)| x.pixel(plane, row, column));
    values.fold(f64::NEG_INFINITY, f64::max)
}
