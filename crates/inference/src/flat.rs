//! Layers made ready to run on one image at a time (`kernels::flat`).

use std::collections::BTreeMap;

use graph::Shape;
use kernels::channels::Source;
use kernels::conv::Epilogue;
use kernels::flat::{
    self, Dense, Depthwise, Grouped, Image, Map, Matrix, Output, Sparse, Unrolled, Winograd,
};
use kernels::norm::Affine;
use kernels::pool::{Average, Pooling};
use kernels::{Activation, Sides, Size};

use crate::{Conv, Kind, LayerNorm, Network, sizes};

/// A layer that is ready to run.
pub(crate) struct FlatLayer {
    op: Op,
    /// Where the pixels of what it reads lie.
    from: Vec<Map>,
    /// Where the pixels of its output lie.
    pub to: Map,
    bias: Vec<f32>,
    activation: Option<Activation>,
    /// Values of the room that it needs for a while.
    pub room: usize,
}

enum Op {
    Sparse(Sparse),
    Depthwise(Depthwise),
    Grouped(Grouped),
    Winograd(Winograd),
    Unrolled(Unrolled),
    Dense(Dense),
    Matrix(Matrix),
    /// A factor a channel of a vector, and the bias.
    Affine(Vec<f32>),
    LayerNorm(LayerNorm),
    MaxPool(Pooling),
    Average(Average),
    Add,
    /// Of two equal shapes.
    Multiply,
    /// By a vector.
    Scale,
    Gather(Vec<Source>),
    PadBorders(Sides),
    Flatten,
    /// What it reads, for its activation.
    Copy,
}

/// What a layer reads and writes.
pub(crate) struct FlatOperands<'a> {
    /// The outputs of the layers that it reads.
    pub inputs: &'a [&'a [f32]],
    /// What is added; empty for nothing.
    pub add: &'a [f32],
    /// [`FlatLayer::room`] values or more, holding anything.
    pub room: &'a mut [f32],
    /// Its own output.
    pub y: &'a mut [f32],
    /// Parts for several threads, at most.
    pub tasks: usize,
}

/// Where the pixels of each layer's output lie: maps of equal size have equally many zeros around
/// them, so that most convolutions read them where they are.
pub(crate) fn maps(network: &Network) -> Vec<Map> {
    let shape = |n: usize| network.layers[n].shape;
    let mut pads: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut need = |s: Shape, pad: usize| {
        let known = pads.entry((s.h, s.w)).or_default();
        *known = (*known).max(pad);
    };
    let convs = || {
        network.layers.iter().filter_map(|layer| match &layer.kind {
            Kind::Conv(conv) => Some((layer, conv, shape(layer.inputs[0]))),
            _ => None,
        })
    };
    // Single pixels are vectors where matrices alone make them.
    let of_vectors = |conv: &Conv, x: Shape| conv.is_matrix_of(x) || conv.is_affine_of(x);
    let vectors = convs().all(|(l, conv, x)| !l.shape.is_vector() || of_vectors(conv, x));
    for (layer, conv, x) in convs() {
        if vectors && of_vectors(conv, x) {
            continue;
        }
        let (window, y) = (conv.window, layer.shape);
        let same = window.stride == Size::square(1) && x.size() == y.size();
        let Sides { top, left, bottom, right } = window.padding;
        // What is not read where it lies is copied, with zeros as far as windows reach.
        let reach = (window.span().w - 1) / window.stride.w;
        let zeros = if same { top.max(left).max(bottom).max(right) } else { reach };
        need(y, usize::from(y.is_vector()).max(zeros));
    }
    let map = |s: Shape| {
        let pad = pads.get(&(s.h, s.w)).copied().unwrap_or(0);
        Map { channels: s.c, h: s.h, w: s.w, pad }
    };
    network.layers.iter().map(|l| map(l.shape)).collect()
}

/// The convolution of layer `n` as the kernels have it, or `None` where it is a matrix.
pub(crate) fn conv_sizes(network: &Network, maps: &[Map], n: usize) -> Option<flat::Conv> {
    let layer = &network.layers[n];
    let Kind::Conv(conv) = &layer.kind else { return None };
    let (input, output) = (maps[layer.inputs[0]], maps[n]);
    let (window, groups) = (conv.window, conv.groups);
    (!output.is_vector()).then_some(flat::Conv { input, output, window, groups })
}

impl FlatLayer {
    /// Layer `n`, skipping zeros where `sparse`.
    pub(crate) fn new(network: &Network, maps: &[Map], n: usize, sparse: bool) -> Self {
        let layer = &network.layers[n];
        let from: Vec<Map> = layer.inputs.iter().map(|n| maps[*n]).collect();
        let activation = layer.activation.map(sizes::activation);
        let to = maps[n];
        let mut made = Self { op: Op::Copy, from, to, bias: vec![], activation, room: 0 };
        made.op = match &layer.kind {
            Kind::Conv(conv) => made.convolution(conv, conv_sizes(network, maps, n), sparse),
            _ => plain(network, n),
        };
        made
    }

    fn convolution(&mut self, conv: &Conv, sizes: Option<flat::Conv>, sparse: bool) -> Op {
        self.bias.clone_from(&conv.bias);
        let Some(sizes) = sizes else {
            if conv.groups > 1 {
                return Op::Affine(conv.weight.floats().into_owned());
            }
            let matrix = (conv.bias.len(), conv.row());
            self.room = if self.from[0].is_vector() { 0 } else { conv.row() };
            let make = if sparse { Matrix::sparse } else { Matrix::dense };
            return Op::Matrix(make(matrix, &conv.weight.floats()));
        };
        if !sparse && Winograd::fits(&sizes) {
            return Op::Winograd(Winograd::new(&sizes, &conv.weight.floats()));
        }
        if !sparse && Unrolled::fits(&sizes) {
            let unrolled = Unrolled::new(&sizes, &conv.weight.floats());
            self.room = unrolled.room();
            return Op::Unrolled(unrolled);
        }
        self.room = sizes.room();
        if !sparse && Depthwise::fits(&sizes) {
            return Op::Depthwise(Depthwise::new(&sizes, &conv.weight.floats()));
        }
        if sizes.groups > 1 {
            return Op::Grouped(Grouped::new(&sizes, &conv.weight.floats(), sparse));
        }
        if sparse {
            return Op::Sparse(Sparse::new(&sizes, &conv.weight.floats()));
        }
        Op::Dense(Dense::new(&sizes, &conv.weight.floats()))
    }

    /// Which kernel it runs, for people.
    pub(crate) fn kernel(&self) -> &'static str {
        match &self.op {
            Op::Sparse(_) => "sparse, by image",
            Op::Grouped(g) if g.is_sparse() => "sparse in groups, by image",
            Op::Depthwise(_) => "depthwise, by image",
            Op::Grouped(_) => "in groups, by image",
            Op::Winograd(_) => "Winograd, by image",
            Op::Dense(_) | Op::Unrolled(_) => "dense, by image",
            Op::Matrix(m) if m.is_sparse() => "sparse matrix",
            Op::Matrix(_) => "dense matrix",
            Op::Affine(_)
            | Op::LayerNorm(_)
            | Op::MaxPool(_)
            | Op::Average(_)
            | Op::Add
            | Op::Multiply
            | Op::Scale
            | Op::Flatten
            | Op::Copy
            | Op::Gather(_)
            | Op::PadBorders(_) => "by image",
        }
    }

    /// Writes its output.
    pub(crate) fn run(&self, operands: FlatOperands) {
        let FlatOperands { inputs, add, room, y, tasks } = operands;
        let end = Epilogue { bias: &self.bias, add, activation: self.activation };
        let x = inputs[0];
        match &self.op {
            Op::Sparse(kept) => return kept.forward((x, room), &end, y, tasks),
            Op::Depthwise(depthwise) => return depthwise.forward(x, &end, y, tasks),
            Op::Grouped(grouped) => return grouped.forward(x, &end, y, tasks),
            Op::Winograd(winograd) => return winograd.forward(x, &end, y, tasks),
            Op::Unrolled(unrolled) => return unrolled.forward((x, room), &end, y, tasks),
            Op::Dense(dense) => return dense.forward((x, room), &end, y, tasks),
            Op::Matrix(matrix) if self.room == 0 => return matrix.forward(x, &end, y, tasks),
            Op::Matrix(matrix) => {
                let features = &mut room[..self.room];
                flat::to_plain(self.from[0], x, features);
                return matrix.forward(features, &end, y, tasks);
            }
            Op::Affine(factors) => {
                for (c, factor) in factors.iter().enumerate() {
                    y[c] = x[c] * factor + self.bias[c] + add.get(c).copied().unwrap_or(0.0);
                }
                y[factors.len()..].fill(0.0);
            }
            _ => {}
        }
        let image = |i: usize| Image { map: self.from[i], values: inputs[i] };
        if !matches!(self.op, Op::Affine(_)) {
            self.plain(&image, inputs.len(), Output { map: self.to, values: y, tasks });
        }
        let rest = self.activation.filter(|_| !matches!(self.op, Op::Copy));
        if let Some(activation) = rest {
            flat::apply(activation, Output { map: self.to, values: y, tasks });
        }
    }

    fn plain<'a>(&self, image: &impl Fn(usize) -> Image<'a>, inputs: usize, to: Output) {
        match &self.op {
            Op::Sparse(_)
            | Op::Depthwise(_)
            | Op::Grouped(_)
            | Op::Winograd(_)
            | Op::Unrolled(_)
            | Op::Dense(_)
            | Op::Matrix(_)
            | Op::Affine(_) => unreachable!("convolutions are run elsewhere"),
            Op::LayerNorm(norm) => {
                let affine = Affine { weight: &norm.weight, bias: &norm.bias, eps: norm.eps };
                flat::layer_norm(&affine, image(0), to);
            }
            Op::MaxPool(pooling) => flat::max_pool(pooling, image(0), to),
            Op::Average(average) => flat::average(average, image(0), to),
            Op::Add => flat::add(image(0), image(1), to),
            Op::Multiply => flat::multiply(image(0), image(1), to),
            Op::Scale => flat::scale(image(0), image(1), to),
            Op::Gather(sources) => {
                let all: Vec<Image> = (0..inputs).map(image).collect();
                flat::gather(&all, sources, to);
            }
            Op::PadBorders(sides) => flat::pad_borders(*sides, image(0), to),
            Op::Flatten => flat::flatten(image(0), to),
            Op::Copy => match self.activation {
                Some(activation) => flat::activation(activation, image(0), to),
                None => to.values.copy_from_slice(image(0).values),
            },
        }
    }
}

/// Layer `n`, which is no convolution.
fn plain(network: &Network, n: usize) -> Op {
    let layer = &network.layers[n];
    let shape = |i: usize| network.layers[layer.inputs[i]].shape;
    let x = shape(0);
    match &layer.kind {
        Kind::LayerNorm(norm) => Op::LayerNorm(norm.clone()),
        Kind::MaxPool(pool) => Op::MaxPool(sizes::max_pool(x, *pool)),
        Kind::AveragePool(pool) => Op::Average(sizes::average_pool(x, *pool)),
        Kind::AdaptiveAverage(average) => Op::Average(sizes::adaptive_average(x, *average)),
        Kind::Add => Op::Add,
        Kind::Multiply if shape(1) == x => Op::Multiply,
        Kind::Multiply => Op::Scale,
        Kind::Gather(sources) => Op::Gather(sources.clone()),
        Kind::PadBorders(pad) => Op::PadBorders(pad.sides),
        Kind::Flatten => Op::Flatten,
        Kind::Copy => Op::Copy,
        Kind::Input | Kind::Conv(_) => unreachable!("made elsewhere"),
    }
}
