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

fn window(p: Pooling, x: &Array, plane: [usize; 2], (oy, ox): (usize, usize)) -> f64 {
    let mut best = f64::NEG_INFINITY;
    for ky in 0..p.kernel {
        for kx in 0..p.kernel {
            let y = (oy * p.stride + ky) as isize - p.padding as isize;
            let x_ = (ox * p.stride + kx) as isize - p.padding as isize;
            best = best.max(x.pixel(plane, y, x_).unwrap_or(f64::NEG_INFINITY));
        }
    }
    best
}
