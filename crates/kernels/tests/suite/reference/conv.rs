//! Convolution with its gradients, and linear.

use kernels::conv::Conv;
use kernels::{Size, Window};

use crate::array::Array;
use crate::shapes;

/// `y[n, o] = bias[o] + sum over (i, ky, kx) of weight[o, i, ky, kx] * x[n, i, ..]`.
pub fn forward(conv: &Conv, x: &Array, weight: &Array, bias: &[f64]) -> Array {
    let mut y = Array::zeros(shapes::of_conv(conv)[2]);
    let planes = y.values.chunks_mut(conv.output().pixels());
    planes.enumerate().for_each(|(i, p)| p.fill(bias.get(i % conv.outputs).map_or(0.0, |b| *b)));
    terms(conv, |[w, from, to]| y.values[to] += weight.values[w] * x.values[from]);
    y
}

/// `dx[n, i] = sum over (o, ky, kx) of weight[o, i, ky, kx] * dy[n, o, ..]`.
pub fn input_grad(conv: &Conv, dy: &Array, weight: &Array) -> Array {
    let mut dx = Array::zeros(shapes::of_conv(conv)[0]);
    terms(conv, |[w, from, to]| dx.values[from] += weight.values[w] * dy.values[to]);
    dx
}

/// `dw[o, i, ky, kx] = sum over images and pixels of dy[n, o, y, x] * x[n, i, ..]`.
pub fn weight_grad(conv: &Conv, dy: &Array, x: &Array) -> Array {
    let mut dw = Array::zeros(shapes::of_conv(conv)[1]);
    terms(conv, |[w, from, to]| dw.values[w] += dy.values[to] * x.values[from]);
    dw
}

/// Calls `f` with each weight, the input that it multiplies, and the output that takes the product.
fn terms(conv: &Conv, mut f: impl FnMut([usize; 3])) {
    let plane = plane(conv);
    let sizes = [conv.window.kernel, conv.input(), conv.output()].map(Size::pixels);
    for n in 0..conv.lanes.images() {
        for o in 0..conv.outputs {
            for i in 0..conv.inputs {
                let maps = [o * conv.inputs + i, n * conv.inputs + i, n * conv.outputs + o];
                let first: [usize; 3] = std::array::from_fn(|k| maps[k] * sizes[k]);
                for at in &plane {
                    f(std::array::from_fn(|k| first[k] + at[k]));
                }
            }
        }
    }
}

/// The same for one input and one output map. The padding multiplies nothing.
fn plane(conv: &Conv) -> Vec<[usize; 3]> {
    let Window { kernel, stride, dilation, padding } = conv.window;
    let (input, output) = (conv.input(), conv.output());
    let mut all = Vec::new();
    for tap in 0..kernel.pixels() {
        for to in 0..output.pixels() {
            let (oy, ox) = (to / output.w, to % output.w);
            let (ky, kx) = (tap / kernel.w, tap % kernel.w);
            let y = (oy * stride.h + ky * dilation.h).checked_sub(padding.top);
            let x = (ox * stride.w + kx * dilation.w).checked_sub(padding.left);
            let (y, x) = (y.filter(|y| *y < input.h), x.filter(|x| *x < input.w));
            all.extend(y.zip(x).map(|(y, x)| [tap, y * input.w + x, to]));
        }
    }
    all
}

/// `y[n, o] = bias[o] + sum over i of weight[o, i] * x[n, i]`.
pub fn linear(x: &Array, weight: &Array, bias: &[f64]) -> Vec<f64> {
    let rows = x.values.chunks(x.shape[1]);
    rows.flat_map(|x| {
        let outputs = weight.values.chunks(x.len()).zip(bias);
        outputs.map(|(w, b)| b + crate::check::dot(w, x)).collect::<Vec<_>>()
    })
    .collect()
}
