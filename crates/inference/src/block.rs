//! Layers made ready to run on blocks of sixteen images.

use graph::Shape;
use kernels::average::{self, Grid};
use kernels::conv::grouped::{self, Grouped};
use kernels::conv::{self, Dense, Epilogue, Sparse};
use kernels::pool::{self, Pooling};
use kernels::{LANES, Lanes, activation, elementwise};

use crate::{Conv, Kind, Network};

/// A layer that is ready to run.
pub(crate) struct BlockLayer {
    op: Op,
    to: Shape,
    bias: Vec<f32>,
    relu: bool,
}

enum Op {
    Sparse(conv::Conv, Sparse),
    Dense(conv::Conv, Dense),
    Grouped(Grouped, Vec<f32>),
    MaxPool(Pooling),
    Average(Grid),
    Silu,
    Sigmoid,
    Scale,
    Add,
    Copy,
}

/// The convolution of layer `n` over a batch: of one of its groups.
pub(crate) fn sizes(network: &Network, n: usize, lanes: Lanes) -> Option<conv::Conv> {
    let layer = &network.layers[n];
    let Kind::Conv(Conv { kernel, stride, padding, groups, .. }) = &layer.kind else { return None };
    let x = network.layers[layer.inputs[0]].shape;
    let whole = (layer.shape.h, layer.shape.w) == (1, 1) && *kernel == (x.h, x.w) && *padding == 0;
    let outputs = layer.shape.c / groups;
    if whole && *groups == 1 {
        // One window of all there is: the values of an image in a row, whatever its shape.
        let (inputs, h, w, kernel, stride, padding) = (x.count(), 1, 1, 1, 1, 0);
        return Some(conv::Conv { lanes, inputs, h, w, outputs, kernel, stride, padding });
    }
    let (inputs, stride, padding) = (x.c / groups, *stride, *padding);
    Some(conv::Conv { lanes, inputs, h: x.h, w: x.w, outputs, kernel: kernel.0, stride, padding })
}

impl BlockLayer {
    /// Layer `n`, skipping zeros where `sparse`.
    pub(crate) fn new(network: &Network, n: usize, sparse: bool) -> Self {
        let layer = &network.layers[n];
        let x = network.layers[layer.inputs[0]].shape;
        let op = match &layer.kind {
            Kind::Conv(conv) => {
                let each = sizes(network, n, Lanes::of(1)).expect("a convolution");
                convolution(conv, each, sparse)
            }
            Kind::MaxPool(p) => Op::MaxPool(Pooling {
                h: x.h,
                w: x.w,
                kernel: p.kernel,
                stride: p.stride,
                padding: p.padding,
            }),
            Kind::Average(side) => Op::Average(Grid { h: x.h, w: x.w, side: *side }),
            Kind::Silu => Op::Silu,
            Kind::Sigmoid => Op::Sigmoid,
            Kind::Scale => Op::Scale,
            Kind::Add => Op::Add,
            Kind::Copy => Op::Copy,
            Kind::Input => unreachable!("the input is not computed"),
        };
        let bias = if let Kind::Conv(conv) = &layer.kind { conv.bias.clone() } else { vec![] };
        Self { op, to: layer.shape, bias, relu: layer.relu }
    }

    /// Which kernel it runs, for people.
    pub(crate) fn kernel(&self) -> &'static str {
        match &self.op {
            Op::Sparse(..) => "sparse, by block",
            Op::Dense(conv, _) if conv::transforms(conv) => "Winograd, by block",
            Op::Dense(..) => "dense, by block",
            Op::Grouped(..) => "in groups, by block",
            _ => "by block",
        }
    }

    /// Writes its output for `lanes` images to `y`.
    pub(crate) fn run(&self, lanes: Lanes, inputs: [&[f32]; 2], add: &[f32], y: &mut [f32]) {
        let x = inputs[0];
        let end = Epilogue { bias: &self.bias, add, relu: self.relu };
        match &self.op {
            Op::Sparse(sizes, sparse) => {
                return sparse.forward(&conv::Conv { lanes, ..*sizes }, x, &end, y);
            }
            Op::Dense(sizes, dense) => {
                return dense.forward(&conv::Conv { lanes, ..*sizes }, x, &end, y);
            }
            Op::Grouped(g, weight) => {
                let g = Grouped { each: conv::Conv { lanes, ..g.each }, ..*g };
                return grouped::forward(&g, x, weight, &end, y);
            }
            Op::MaxPool(p) => pool::forward(*p, x, y),
            Op::Average(grid) => average::to_grid(*grid, x, y),
            Op::Silu => activation::silu(x, y),
            Op::Sigmoid => activation::sigmoid(x, y),
            Op::Scale => {
                y.copy_from_slice(x);
                elementwise::scale(y, inputs[1], self.to.pixels());
            }
            Op::Add => {
                y.copy_from_slice(x);
                elementwise::add(y, inputs[1]);
            }
            Op::Copy => y.copy_from_slice(x),
        }
        if self.relu {
            activation::relu(y);
        }
    }
}

fn convolution(conv: &Conv, each: conv::Conv, sparse: bool) -> Op {
    if conv.groups > 1 {
        return Op::Grouped(Grouped { each, groups: conv.groups }, conv.weight.clone());
    }
    if sparse {
        return Op::Sparse(each, Sparse::inference(&each, &conv.weight));
    }
    Op::Dense(each, Dense::new(&each, &conv.weight))
}

/// Values of a layer's output for a batch.
pub(crate) fn len(shape: Shape, lanes: Lanes) -> usize {
    lanes.blocks() * shape.count() * LANES
}
