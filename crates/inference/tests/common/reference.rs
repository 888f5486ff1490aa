//! Runs a network layer by layer in f64, one value at a time: slow and obvious.

use geometry::{Size, Window};
use graph::Shape;
use inference::{Conv, Kind, Layer, LayerNorm, Network, Source};

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
        if let Some(activation) = layer.activation {
            values = values.iter().map(|v| activation.at(*v)).collect();
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
    let pixels = |f: &dyn Fn(Pixel) -> f64| -> Vec<f64> {
        let at =
            |i: usize| Pixel { c: i / shape.pixels(), y: i / shape.w % shape.h, x: i % shape.w };
        (0..shape.count()).map(|i| f(at(i))).collect()
    };
    let moved = |c: usize, at: Pixel| x.at(c, at.y as isize, at.x as isize).expect("a pixel");
    match &layer.kind {
        Kind::Input => unreachable!("the image is given"),
        Kind::Conv(conv) => pixels(&|at| convolved(conv, x, at)),
        Kind::LayerNorm(norm) => pixels(&|at| normalised(norm, x, at)),
        Kind::MaxPool(pool) => {
            pixels(&|at| window(&pool.window, x, at).flatten().fold(f64::NEG_INFINITY, f64::max))
        }
        Kind::AveragePool(pool) => pixels(&|at| {
            let all: Vec<_> = window(&pool.window, x, at).collect();
            let inside: Vec<f64> = all.iter().flatten().copied().collect();
            assert!(
                !pool.ceil,
                "the divisor of windows that hang over is held to PyTorch's elsewhere"
            );
            let count = if pool.count_padding { all.len() } else { inside.len() };
            inside.iter().sum::<f64>() / count as f64
        }),
        Kind::AdaptiveAverage(average) => pixels(&|at| mean(average.grid, x, at)),
        Kind::Multiply if inputs[1].shape == shape => {
            x.values.iter().zip(inputs[1].values).map(|(a, b)| a * b).collect()
        }
        Kind::Multiply => pixels(&|at| moved(at.c, at) * inputs[1].values[at.c]),
        Kind::Add => x.values.iter().zip(inputs[1].values).map(|(a, b)| a + b).collect(),
        Kind::Gather(sources) => pixels(&|at| match sources[at.c] {
            Source::Channel { input, channel } => {
                inputs[input].at(channel, at.y as isize, at.x as isize).expect("a pixel")
            }
            Source::Value(value) => f64::from(value),
        }),
        Kind::PadBorders(pad) => pixels(&|at| {
            let (y, column) =
                (at.y as isize - pad.sides.top as isize, at.x as isize - pad.sides.left as isize);
            x.at(at.c, y, column).unwrap_or(0.0)
        }),
        Kind::Flatten | Kind::Copy => x.values.to_vec(),
    }
}

/// A place in an output.
#[derive(Clone, Copy)]
struct Pixel {
    c: usize,
    y: usize,
    x: usize,
}

fn convolved(conv: &Conv, x: &Values, at: Pixel) -> f64 {
    let inputs = x.shape.c / conv.groups;
    let first = at.c / (conv.bias.len() / conv.groups) * inputs;
    let weights = conv.weight.floats();
    let row = &weights[at.c * conv.row()..][..conv.row()];
    let mut sum = f64::from(conv.bias[at.c]);
    for (i, weights) in row.chunks(conv.taps()).enumerate() {
        let values = window(&conv.window, x, Pixel { c: first + i, ..at });
        sum += values.zip(weights).map(|(v, w)| v.unwrap_or(0.0) * f64::from(*w)).sum::<f64>();
    }
    sum
}

/// The values that the window of an output pixel reads, row by row; `None` outside the image.
fn window<'a>(
    window: &'a Window,
    x: &'a Values,
    at: Pixel,
) -> impl Iterator<Item = Option<f64>> + 'a {
    let Window { kernel, stride, dilation, padding } = *window;
    (0..kernel.pixels()).map(move |tap| {
        let (ky, kx) = (tap / kernel.w * dilation.h, tap % kernel.w * dilation.w);
        let row = (at.y * stride.h + ky) as isize - padding.top as isize;
        x.at(at.c, row, (at.x * stride.w + kx) as isize - padding.left as isize)
    })
}

fn normalised(norm: &LayerNorm, x: &Values, at: Pixel) -> f64 {
    let n = x.shape.c as f64;
    let all = (0..x.shape.c).map(|c| x.at(c, at.y as isize, at.x as isize).expect("a pixel"));
    let mean = all.clone().sum::<f64>() / n;
    let variance = all.clone().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let own = all.clone().nth(at.c).expect("a channel");
    let of = |values: &[f32], none: f64| values.get(at.c).map_or(none, |v| f64::from(*v));
    let scaled = (own - mean) / (variance + f64::from(norm.eps)).sqrt();
    scaled * of(&norm.weight, 1.0) + of(&norm.bias, 0.0)
}

/// The mean of a window as `torch.nn.AdaptiveAvgPool2d` documents them.
fn mean(grid: Size, x: &Values, at: Pixel) -> f64 {
    let span = |o: usize, size: usize, of: usize| o * size / of..((o + 1) * size).div_ceil(of);
    let (rows, columns) = (span(at.y, x.shape.h, grid.h), span(at.x, x.shape.w, grid.w));
    let places = rows.flat_map(|r| columns.clone().map(move |c| [r as isize, c as isize]));
    let all: Vec<f64> = places.filter_map(|[y, column]| x.at(at.c, y, column)).collect();
    all.iter().sum::<f64>() / all.len() as f64
}

impl Values<'_> {
    /// The value at a place; `None` outside the image.
    fn at(&self, c: usize, y: isize, x: isize) -> Option<f64> {
        let (y, x) = (usize::try_from(y).ok()?, usize::try_from(x).ok()?);
        let Shape { h, w, .. } = self.shape;
        (y < h && x < w).then(|| self.values[(c * h + y) * w + x])
    }
}
