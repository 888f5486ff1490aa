//! Sizes of operations as the kernels have them: the one place where a graph's become these.

use graph::op::{AveragePool, MaxPool, PadBorders, PadChannels, Shuffle, Slice};
use graph::{Activation, AdaptiveAverage, Graph, Op, Shape};
use kernels::border::Border;
use kernels::channels::{self, Span};
use kernels::conv::Conv;
use kernels::conv::grouped::Grouped;
use kernels::pool::{Average, Pooling};
use kernels::{Lanes, Window};

/// The activation of the kernels.
pub fn activation(activation: Activation) -> kernels::Activation {
    match activation {
        Activation::Relu => kernels::Activation::Relu,
        Activation::Relu6 => kernels::Activation::Relu6,
        Activation::LeakyRelu { slope } => kernels::Activation::LeakyRelu { slope },
        Activation::Silu => kernels::Activation::Silu,
        Activation::HardSwish => kernels::Activation::HardSwish,
        Activation::HardSigmoid => kernels::Activation::HardSigmoid,
        Activation::Sigmoid => kernels::Activation::Sigmoid,
        Activation::Gelu => kernels::Activation::Gelu,
        Activation::GeluTanh => kernels::Activation::GeluTanh,
    }
}

/// The convolution or linear layer `node` of `graph`: in one group where it is in none.
pub fn grouped(graph: &Graph, node: usize, lanes: Lanes) -> Option<Grouped> {
    let n = &graph.nodes()[node];
    let of = |inputs: usize, outputs: usize, window: Window, groups: usize| {
        let Shape { h, w, .. } = graph.nodes()[n.inputs[0]].shape;
        let (inputs, outputs) = (inputs / groups, outputs / groups);
        Grouped { each: Conv { lanes, inputs, h, w, outputs, window }, groups }
    };
    match n.op {
        Op::Conv(v) => Some(of(v.inputs, v.outputs, v.window, v.groups)),
        Op::Linear(v) => Some(of(v.inputs, v.outputs, Window::square(1, 1, 0), 1)),
        _ => None,
    }
}

/// A max pooling of `x`.
pub fn max_pool(x: Shape, pool: MaxPool) -> Pooling {
    Pooling { size: x.size(), window: pool.window, ceil: pool.ceil }
}

/// An average pooling of `x`.
pub fn average_pool(x: Shape, pool: AveragePool) -> Average {
    let pooling = Pooling { size: x.size(), window: pool.window, ceil: pool.ceil };
    Average::Windows { pooling, count_padding: pool.count_padding }
}

/// Means over a grid of `x`.
pub fn adaptive_average(x: Shape, average: AdaptiveAverage) -> Average {
    Average::Grid { input: x.size(), output: average.grid }
}

/// Some channels of `x`.
pub fn slice(x: Shape, slice: Slice) -> Span {
    Span { channels: x.c, start: slice.start, end: slice.end, pixels: x.pixels() }
}

/// Where the channels of `x` stand among those of the padded output.
pub fn pad_channels(x: Shape, pad: PadChannels) -> Span {
    let (start, end) = (pad.before, pad.before + x.c);
    Span { channels: end + pad.after, start, end, pixels: x.pixels() }
}

/// The channels of `x` in another order.
pub fn shuffle(x: Shape, shuffle: Shuffle) -> channels::Shuffle {
    channels::Shuffle { channels: x.c, groups: shuffle.groups, pixels: x.pixels() }
}

/// Zeros around the channels of `x`.
pub fn border(x: Shape, pad: PadBorders) -> Border {
    Border { size: x.size(), sides: pad.sides }
}
