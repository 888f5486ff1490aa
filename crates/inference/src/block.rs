//! Layers made ready to run on blocks of sixteen images.

use graph::Shape;
use kernels::border::{self, Border};
use kernels::channels::{self, Part, Source};
use kernels::conv::grouped::{self, Grouped};
use kernels::conv::{self, Dense, Epilogue, Sparse};
use kernels::elementwise;
use kernels::norm::layer::LayerNorm as Normalisation;
use kernels::norm::{Affine, Plane};
use kernels::pool::{self, Average, Pooling};
use kernels::{Activation, LANES, Lanes, Window, activation};

use crate::{Conv, Kind, LayerNorm, Network, sizes};

/// A layer that is ready to run.
pub(crate) struct BlockLayer {
    op: Op,
    to: Shape,
    bias: Vec<f32>,
    activation: Option<Activation>,
}

enum Op {
    Sparse(conv::Conv, Sparse),
    Dense(conv::Conv, Dense),
    Grouped(grouped::Prepared),
    LayerNorm(LayerNorm),
    MaxPool(Pooling),
    Average(Average),
    Add,
    /// Of two equal shapes.
    Multiply,
    /// By a vector.
    Scale,
    /// With the channels of each input.
    Gather(Vec<usize>, Vec<Source>),
    PadBorders(Border),
    /// What it reads, in the same order.
    Copy,
}

/// What a layer reads and writes.
pub(crate) struct BlockOperands<'a> {
    /// The batch.
    pub lanes: Lanes,
    /// The outputs of the layers that it reads.
    pub inputs: &'a [&'a [f32]],
    /// What is added; empty for nothing.
    pub add: &'a [f32],
    /// Its own output.
    pub y: &'a mut [f32],
}

/// The convolution of layer `n` over a batch: of one of its groups.
pub(crate) fn conv_sizes(network: &Network, n: usize, lanes: Lanes) -> Option<conv::Conv> {
    let layer = &network.layers[n];
    let Kind::Conv(Conv { window, groups, .. }) = &layer.kind else { return None };
    let x = network.layers[layer.inputs[0]].shape;
    let outputs = layer.shape.c / groups;
    if let Kind::Conv(conv) = &layer.kind
        && conv.is_matrix_of(x)
    {
        // One window of all there is: the values of an image in a row, whatever its shape.
        let (inputs, window) = (x.count(), Window::square(1, 1, 0));
        return Some(conv::Conv { lanes, inputs, h: 1, w: 1, outputs, window });
    }
    Some(conv::Conv { lanes, inputs: x.c / groups, h: x.h, w: x.w, outputs, window: *window })
}

impl BlockLayer {
    /// Layer `n`, skipping zeros where `sparse`.
    pub(crate) fn new(network: &Network, n: usize, sparse: bool) -> Self {
        let layer = &network.layers[n];
        let shape = |i: usize| network.layers[layer.inputs[i]].shape;
        let x = shape(0);
        let op = match &layer.kind {
            Kind::Conv(conv) => {
                let each = conv_sizes(network, n, Lanes::of(1)).expect("a convolution");
                convolution(conv, each, sparse)
            }
            Kind::LayerNorm(norm) => Op::LayerNorm(norm.clone()),
            Kind::MaxPool(pool) => Op::MaxPool(sizes::max_pool(x, *pool)),
            Kind::AveragePool(pool) => Op::Average(sizes::average_pool(x, *pool)),
            Kind::AdaptiveAverage(average) => Op::Average(sizes::adaptive_average(x, *average)),
            Kind::Add => Op::Add,
            Kind::Multiply if shape(1) == x => Op::Multiply,
            Kind::Multiply => Op::Scale,
            Kind::Gather(sources) => {
                let channels = (0..layer.inputs.len()).map(|i| shape(i).c).collect();
                Op::Gather(channels, sources.clone())
            }
            Kind::PadBorders(pad) => Op::PadBorders(sizes::border(x, *pad)),
            // In blocks that is the order already.
            Kind::Flatten | Kind::Copy => Op::Copy,
            Kind::Input => unreachable!("the input is not computed"),
        };
        let bias = if let Kind::Conv(conv) = &layer.kind { conv.bias.clone() } else { vec![] };
        let activation = layer.activation.map(sizes::activation);
        Self { op, to: layer.shape, bias, activation }
    }

    /// Which kernel it runs, for people.
    pub(crate) fn kernel(&self) -> &'static str {
        match &self.op {
            Op::Sparse(..) => "sparse, by block",
            Op::Dense(conv, _) if conv::transforms(conv) => "Winograd, by block",
            Op::Dense(..) => "dense, by block",
            Op::Grouped(..) => "in groups, by block",
            Op::LayerNorm(_)
            | Op::MaxPool(_)
            | Op::Average(_)
            | Op::Add
            | Op::Multiply
            | Op::Scale
            | Op::Copy
            | Op::Gather(..)
            | Op::PadBorders(_) => "by block",
        }
    }

    /// Writes its output.
    pub(crate) fn run(&self, operands: BlockOperands) {
        let BlockOperands { lanes, inputs, add, y } = operands;
        let x = inputs[0];
        let end = Epilogue { bias: &self.bias, add, activation: self.activation };
        match &self.op {
            Op::Sparse(sizes, sparse) => {
                return sparse.forward(&conv::Conv { lanes, ..*sizes }, x, &end, y);
            }
            Op::Dense(sizes, dense) => {
                return dense.forward(&conv::Conv { lanes, ..*sizes }, x, &end, y);
            }
            Op::Grouped(grouped) => return grouped.forward(lanes, x, &end, y),
            Op::Copy => {
                return match self.activation {
                    Some(activation) => activation::forward(activation, x, y),
                    None => y.copy_from_slice(x),
                };
            }
            Op::LayerNorm(own) => {
                let plane = Plane { lanes, channels: self.to.c, pixels: self.to.pixels() };
                let affine = Affine { weight: &own.weight, bias: &own.bias, eps: own.eps };
                Normalisation { plane, affine }.forward(x, y);
            }
            Op::MaxPool(pooling) => pool::max(pooling, x, y),
            Op::Average(average) => pool::average(average, x, y),
            Op::Add => {
                y.copy_from_slice(x);
                elementwise::add(y, inputs[1]);
            }
            Op::Multiply => elementwise::multiply(x, inputs[1], y),
            Op::Scale => {
                y.copy_from_slice(x);
                elementwise::scale(self.to.pixels(), inputs[1], y);
            }
            Op::Gather(channels, sources) => {
                let each = inputs.iter().zip(channels);
                let parts: Vec<Part> =
                    each.map(|(values, channels)| Part { values, channels: *channels }).collect();
                channels::gather(&parts, sources, self.to.pixels(), y);
            }
            Op::PadBorders(border) => border::pad(*border, x, y),
        }
        if let Some(activation) = self.activation {
            activation::apply(activation, y);
        }
    }
}

fn convolution(conv: &Conv, each: conv::Conv, sparse: bool) -> Op {
    if conv.groups > 1 {
        let grouped = Grouped { each, groups: conv.groups };
        return Op::Grouped(grouped::Prepared::new(&grouped, &conv.weight.floats()));
    }
    if sparse {
        return Op::Sparse(each, Sparse::inference(&each, &conv.weight.floats()));
    }
    Op::Dense(each, Dense::new(&each, &conv.weight.floats()))
}

/// Values of a layer's output for a batch.
pub(crate) fn len(shape: Shape, lanes: Lanes) -> usize {
    lanes.blocks() * shape.count() * LANES
}
