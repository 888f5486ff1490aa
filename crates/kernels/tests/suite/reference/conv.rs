//! Convolution with its gradients, and linear.

use kernels::conv::Conv;

use crate::array::Array;
use crate::shapes;

/// `y[n, o] = bias[o] + sum over (i, ky, kx) of weight[o, i, ky, kx] * x[n, i, ..]`.
pub fn forward(conv: &Conv, x: &Array, weight: &Array, bias: &[f64]) -> Array {
    let mut y = Array::zeros(shapes::of_conv(conv)[2]);
    let planes = y.values.chunks_mut(conv.oh() * conv.ow());
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
    let sizes = [conv.kernel * conv.kernel, conv.h * conv.w, conv.oh() * conv.ow()];
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
    let mut all = Vec::new();
    for tap in 0..conv.kernel * conv.kernel {
        for to in 0..conv.oh() * conv.ow() {
            let (oy, ox) = (to / conv.ow(), to % conv.ow());
            let (ky, kx) = (tap / conv.kernel, tap % conv.kernel);
            let y = (oy * conv.stride + ky).checked_sub(conv.padding).filter(|y| *y < conv.h);
            let x = (ox * conv.stride + kx).checked_sub(conv.padding).filter(|x| *x < conv.w);
            all.extend(y.zip(x).map(|(y, x)| [tap, y * conv.w + x, to]));
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
