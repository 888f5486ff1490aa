//! Convolution and linear.

use kernels::conv::Conv;

use crate::array::Array;

/// `y[n, o] = bias[o] + sum over (i, ky, kx) of weight[o, i, ky, kx] * x[n, i, ..]`.
pub fn forward(conv: &Conv, x: &Array, weight: &Array, bias: &[f64]) -> Array {
    let mut y = Array::zeros([x.shape[0], conv.outputs, conv.oh(), conv.ow()]);
    for n in 0..y.shape[0] {
        for o in 0..conv.outputs {
            for oy in 0..conv.oh() {
                for ox in 0..conv.ow() {
                    let at = y.index([n, o, oy, ox]);
                    let bias = bias.get(o).copied().unwrap_or(0.0);
                    y.values[at] = bias + window(conv, (x, n), (weight, o), (oy, ox));
                }
            }
        }
    }
    y
}

fn window(
    conv: &Conv,
    (x, n): (&Array, usize),
    (weight, o): (&Array, usize),
    (oy, ox): (usize, usize),
) -> f64 {
    let mut sum = 0.0;
    for i in 0..conv.inputs {
        for ky in 0..conv.kernel {
            for kx in 0..conv.kernel {
                let y = (oy * conv.stride + ky) as isize - conv.padding as isize;
                let x_ = (ox * conv.stride + kx) as isize - conv.padding as isize;
                let pixel = x.pixel([n, i], y, x_).unwrap_or(0.0);
                sum += weight.values[weight.index([o, i, ky, kx])] * pixel;
            }
        }
    }
    sum
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
