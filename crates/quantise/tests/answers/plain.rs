//! The specification: a network in integers, an image and a value at a time.

use graph::Shape;
use inference::integer::{IntegerWeights, integers};
use inference::{Conv, Kind, Layer, Network, sizes};
use kernels::channels::Source;
use kernels::integer::Rounding;
use kernels::pool::{Average, Pooling};

/// The bytes of a layer's output, `(channels, height, width)`.
struct Bytes {
    shape: Shape,
    rounding: Rounding,
    values: Vec<u8>,
}

impl Bytes {
    /// The byte less the zero point at a place that may lie outside: 0 there.
    fn step(&self, channel: usize, row: isize, column: isize) -> i32 {
        let Shape { h, w, .. } = self.shape;
        let inside = (0..h as isize).contains(&row) && (0..w as isize).contains(&column);
        if !inside {
            return 0;
        }
        let byte = self.values[(channel * h + row as usize) * w + column as usize];
        i32::from(byte) - i32::from(self.rounding.zero)
    }

    fn value(&self, i: usize) -> f32 {
        self.rounding.value(self.values[i])
    }
}

/// The logits of one image.
pub fn logits(network: &Network, roundings: &[Rounding], image: &[f32]) -> Vec<f32> {
    let mut all: Vec<Bytes> = vec![];
    for (layer, rounding) in network.layers.iter().zip(roundings) {
        let values = values(layer, &all, image);
        if all.len() + 1 == network.layers.len() {
            return values;
        }
        let rounded = values.into_iter().map(|value| rounding.rounded(value)).collect();
        all.push(Bytes { shape: layer.shape, rounding: *rounding, values: rounded });
    }
    unreachable!("the last layer gives the logits")
}

/// What a layer computes from the bytes before it.
fn values(layer: &Layer, all: &[Bytes], image: &[f32]) -> Vec<f32> {
    let inputs: Vec<&Bytes> = layer.inputs.iter().map(|n| &all[*n]).collect();
    let mut values = match &layer.kind {
        Kind::Input => image.to_vec(),
        Kind::Conv(conv) => {
            let sums = convolution(conv, inputs[0], layer.shape);
            let add = layer.add.map(|n| &all[n]);
            let added = |(i, sum)| add.map_or(sum, |add: &Bytes| sum + add.value(i));
            sums.into_iter().enumerate().map(added).collect()
        }
        Kind::MaxPool(pool) => largest(&sizes::max_pool(inputs[0].shape, *pool), inputs[0]),
        Kind::AdaptiveAverage(pool) => {
            let grid = sizes::adaptive_average(inputs[0].shape, *pool);
            let Average::Grid { input, output } = grid else { unreachable!("a grid") };
            assert_eq!(output.pixels(), 1, "the mean of each channel");
            let inverse = 1.0 / input.pixels() as f32;
            let planes = inputs[0].values.chunks_exact(input.pixels());
            let zero = i32::from(inputs[0].rounding.zero);
            let sum = |plane: &[u8]| -> i32 { plane.iter().map(|q| i32::from(*q) - zero).sum() };
            let mean = |plane: &[u8]| sum(plane) as f32 * inverse * inputs[0].rounding.scale;
            planes.map(mean).collect()
        }
        Kind::Add => {
            let [a, b] = inputs[..] else { panic!("two summands") };
            (0..a.values.len()).map(|i| a.value(i) + b.value(i)).collect()
        }
        Kind::Gather(sources) => {
            let pixels = layer.shape.pixels();
            let of = |source: &Source| -> Vec<f32> {
                match *source {
                    Source::Value(value) => vec![value; pixels],
                    Source::Channel { input, channel } => {
                        (0..pixels).map(|p| inputs[input].value(channel * pixels + p)).collect()
                    }
                }
            };
            sources.iter().flat_map(of).collect()
        }
        Kind::PadBorders(pad) => {
            let (x, Shape { c, h, w }) = (inputs[0], layer.shape);
            let (top, left) = (pad.sides.top as isize, pad.sides.left as isize);
            let value = |i: usize| {
                let (row, column) = ((i / w % h) as isize - top, (i % w) as isize - left);
                x.rounding.scale * x.step(i / w / h, row, column) as f32
            };
            (0..c * h * w).map(value).collect()
        }
        Kind::Flatten | Kind::Copy => {
            (0..inputs[0].values.len()).map(|i| inputs[0].value(i)).collect()
        }
        Kind::Multiply => {
            let [x, by] = inputs[..] else { panic!("two factors") };
            // A vector's value belongs to a whole channel.
            let each = x.values.len() / by.values.len();
            (0..x.values.len()).map(|i| x.value(i) * by.value(i / each)).collect()
        }
        other => panic!("no network of these tests has {other:?}"),
    };
    if let Some(activation) = layer.activation {
        kernels::activation::apply(sizes::activation(activation), &mut values);
    }
    values
}

fn convolution(conv: &Conv, x: &Bytes, y: Shape) -> Vec<f32> {
    let own = integers(conv);
    let IntegerWeights { weights, scales } = &*own;
    let (window, inputs) = (conv.window, conv.row() / conv.taps());
    let mut values = vec![];
    for o in 0..y.c {
        let first = o / (y.c / conv.groups) * inputs;
        let factor = scales[o] * x.rounding.scale;
        for (oy, ox) in (0..y.h).flat_map(|oy| (0..y.w).map(move |ox| (oy, ox))) {
            let mut sum = 0_i32;
            for i in 0..inputs {
                for tap in 0..conv.taps() {
                    let (ky, kx) = (tap / window.kernel.w, tap % window.kernel.w);
                    let row = oy * window.stride.h + ky * window.dilation.h;
                    let column = ox * window.stride.w + kx * window.dilation.w;
                    let row = row as isize - window.padding.top as isize;
                    let column = column as isize - window.padding.left as isize;
                    let weight = weights[(o * inputs + i) * conv.taps() + tap];
                    sum += i32::from(weight) * x.step(first + i, row, column);
                }
            }
            values.push(sum as f32 * factor + conv.bias[o]);
        }
    }
    values
}

fn largest(pooling: &Pooling, x: &Bytes) -> Vec<f32> {
    let (window, output) = (pooling.window, pooling.output());
    let kernels::Sides { top, left, .. } = window.padding;
    assert_eq!((top, left), (0, 0), "of no padding, which would stand for less than any value");
    let mut values = vec![];
    for channel in 0..x.shape.c {
        for (oy, ox) in (0..output.h).flat_map(|oy| (0..output.w).map(move |ox| (oy, ox))) {
            let taps = (0..window.taps()).map(|tap| {
                let row = (oy * window.stride.h + tap / window.kernel.w) as isize;
                let column = (ox * window.stride.w + tap % window.kernel.w) as isize;
                x.step(channel, row, column)
            });
            let most = taps.max().expect("a pixel");
            values.push(x.rounding.scale * most as f32);
        }
    }
    values
}
