//! Runs a network layer by layer in f64, one value at a time: slow and obvious.

use graph::{Pool, Shape};
use inference::{Conv, Kind, Layer, Network};

/// Channels of one image, row by row.
struct Values<'a> {
    shape: Shape,
    values: &'a [f64],
}

/// The output of every layer, `(c, h, w)` row by row; the last are the logits.
pub fn run(network: &Network, image: &[f64]) -> Vec<Vec<f64>> {
    let mut outputs: Vec<Vec<f64>> = Vec::new();
    for layer in &network.layers {
        let of = |n: usize| Values { shape: network.layers[n].shape, values: &outputs[n] };
        let inputs: Vec<_> = layer.inputs.iter().map(|n| of(*n)).collect();
        let mut values = match layer.kind {
            Kind::Input => image.to_vec(),
            _ => run_layer(layer, &inputs),
        };
        if let Some(added) = layer.add {
            values = values.iter().zip(&outputs[added]).map(|(v, a)| v + a).collect();
        }
        if layer.relu {
            values = values.iter().map(|v| v.max(0.0)).collect();
        }
        assert_eq!(values.len(), layer.shape.count(), "{}", layer.name);
        outputs.push(values);
    }
    outputs
}

/// The logits alone.
pub fn logits(network: &Network, image: &[f64]) -> Vec<f64> {
    run(network, image).pop().expect("a network has layers")
}

/// What `layer` computes, without what is added and the activation.
fn run_layer(layer: &Layer, inputs: &[Values]) -> Vec<f64> {
    let (x, shape) = (&inputs[0], layer.shape);
    let each = |f: &dyn Fn(f64) -> f64| x.values.iter().map(|v| f(*v)).collect();
    let pixels = |f: &dyn Fn(usize, usize, usize) -> f64| -> Vec<f64> {
        let at = |i: usize| f(i / shape.pixels(), i / shape.w % shape.h, i % shape.w);
        (0..shape.count()).map(at).collect()
    };
    let second = |i: usize| inputs[1].values[i];
    match &layer.kind {
        Kind::Input => unreachable!("the image is given"),
        Kind::Conv(conv) => pixels(&|o, row, column| convolved(conv, x, [o, row, column])),
        Kind::MaxPool(pool) => pixels(&|c, row, column| largest(*pool, x, [c, row, column])),
        Kind::Average(side) => pixels(&|c, row, column| mean(*side, x, [c, row, column])),
        Kind::Silu => each(&|v| v / (1.0 + (-v).exp())),
        Kind::Sigmoid => each(&|v| 1.0 / (1.0 + (-v).exp())),
        Kind::Scale => {
            x.values.iter().enumerate().map(|(i, v)| v * second(i / x.shape.pixels())).collect()
        }
        Kind::Add => x.values.iter().enumerate().map(|(i, v)| v + second(i)).collect(),
        Kind::Copy => x.values.to_vec(),
    }
}

fn convolved(conv: &Conv, x: &Values, [o, row, column]: [usize; 3]) -> f64 {
    let (kh, kw) = conv.kernel;
    let inputs = x.shape.c / conv.groups;
    let first = o / (conv.bias.len() / conv.groups) * inputs;
    let mut sum = f64::from(conv.bias[o]);
    for (i, w) in conv.weight[o * inputs * kh * kw..][..inputs * kh * kw].iter().enumerate() {
        let (c, ky, kx) = (first + i / (kh * kw), i / kw % kh, i % kw);
        let place = [row * conv.stride + ky, column * conv.stride + kx];
        sum += f64::from(*w) * x.pixel(c, place, conv.padding).unwrap_or(0.0);
    }
    sum
}

fn largest(pool: Pool, x: &Values, [c, row, column]: [usize; 3]) -> f64 {
    let window = (0..pool.kernel * pool.kernel).filter_map(|i| {
        let place = [row * pool.stride + i / pool.kernel, column * pool.stride + i % pool.kernel];
        x.pixel(c, place, pool.padding)
    });
    window.fold(f64::NEG_INFINITY, f64::max)
}

/// The mean of a window as `torch.nn.AdaptiveAvgPool2d` documents them.
fn mean(side: usize, x: &Values, [c, row, column]: [usize; 3]) -> f64 {
    let span = |o: usize, size: usize| o * size / side..((o + 1) * size).div_ceil(side);
    let (rows, columns) = (span(row, x.shape.h), span(column, x.shape.w));
    let places = rows.flat_map(|r| columns.clone().map(move |c| [r, c]));
    let all: Vec<f64> = places.filter_map(|place| x.pixel(c, place, 0)).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

impl Values<'_> {
    /// The value at a place counted from `padding` before the first pixel; `None` outside the image.
    fn pixel(&self, c: usize, [row, column]: [usize; 2], padding: usize) -> Option<f64> {
        let (y, x) = (row.checked_sub(padding)?, column.checked_sub(padding)?);
        let Shape { h, w, .. } = self.shape;
        (y < h && x < w).then(|| self.values[(c * h + y) * w + x])
    }
}
