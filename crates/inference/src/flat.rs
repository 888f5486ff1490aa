//! Layers made ready to run on one image at a time (`kernels::flat`).

use std::collections::BTreeMap;

use graph::Shape;
use kernels::average::Grid;
use kernels::flat::{self, Dense, Ends, Map, Matrix, Sparse};
use kernels::pool::Pooling;

use crate::{Conv, Kind, Network};

/// A layer that is ready to run.
pub(crate) struct FlatLayer {
    op: Op,
    from: Map,
    /// Where the pixels of its output lie.
    pub to: Map,
    bias: Vec<f32>,
    relu: bool,
    /// Values of the room that it needs for a while.
    pub room: usize,
}

enum Op {
    Sparse(Sparse),
    /// All weights of a convolution in groups.
    Grouped(Sparse),
    Dense(Dense),
    Matrix(Matrix),
    MaxPool(Pooling),
    Average(Grid),
    Silu,
    Sigmoid,
    /// With where the factors lie.
    Scale(Map),
    Add,
    Copy,
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
    let vectors = convs().all(|(l, conv, x)| l.shape.pixels() > 1 || is_matrix(conv, x));
    for (layer, conv, x) in convs() {
        if vectors && is_matrix(conv, x) {
            continue;
        }
        let (kernel, y) = (conv.kernel.0, layer.shape);
        let same = conv.stride == 1 && (x.h, x.w) == (y.h, y.w);
        let least = usize::from((y.h, y.w) == (1, 1));
        need(y, least.max(if same { conv.padding } else { (kernel - 1) / conv.stride }));
    }
    let map = |s: Shape| {
        let pad = pads.get(&(s.h, s.w)).copied().unwrap_or(0);
        Map { channels: s.c, h: s.h, w: s.w, pad }
    };
    network.layers.iter().map(|l| map(l.shape)).collect()
}

/// Whether a convolution has one window, which is all of its input `x`.
fn is_matrix(conv: &Conv, x: Shape) -> bool {
    conv.kernel == (x.h, x.w) && conv.padding == 0 && conv.groups == 1
}

/// The convolution of layer `n` as the kernels have it, or `None` where it is a matrix.
pub(crate) fn sizes(network: &Network, maps: &[Map], n: usize) -> Option<flat::Conv> {
    let layer = &network.layers[n];
    let Kind::Conv(conv) = &layer.kind else { return None };
    let (input, output) = (maps[layer.inputs[0]], maps[n]);
    let Conv { kernel: (kernel, width), stride, padding, groups, .. } = *conv;
    assert!(output.is_vector() || kernel == width, "{}: a square kernel", layer.name);
    (!output.is_vector()).then_some(flat::Conv { input, output, kernel, stride, padding, groups })
}

impl FlatLayer {
    /// Layer `n`, skipping zeros where `sparse`.
    pub(crate) fn new(network: &Network, maps: &[Map], n: usize, sparse: bool) -> Self {
        let layer = &network.layers[n];
        let (from, to) = (maps[layer.inputs[0]], maps[n]);
        let mut made = Self { op: Op::Copy, from, to, bias: vec![], relu: layer.relu, room: 0 };
        made.op = match &layer.kind {
            Kind::Conv(conv) => made.convolution(conv, sizes(network, maps, n), sparse),
            kind => plain(kind, from, *layer.inputs.get(1).map_or(&to, |n| &maps[*n])),
        };
        made
    }

    fn convolution(&mut self, conv: &Conv, sizes: Option<flat::Conv>, sparse: bool) -> Op {
        self.bias.clone_from(&conv.bias);
        let Some(sizes) = sizes else {
            let matrix = (conv.bias.len(), conv.row());
            self.room = if self.from.is_vector() { 0 } else { conv.row() };
            let make = if sparse { Matrix::sparse } else { Matrix::dense };
            return Op::Matrix(make(matrix, &conv.weight));
        };
        self.room = sizes.room();
        if sparse {
            return Op::Sparse(Sparse::new(&sizes, &conv.weight));
        }
        if sizes.groups > 1 {
            return Op::Grouped(Sparse::whole(&sizes, &conv.weight));
        }
        Op::Dense(Dense::new(&sizes, &conv.weight))
    }

    /// Which kernel it runs, for people.
    pub(crate) fn kernel(&self) -> &'static str {
        match &self.op {
            Op::Sparse(_) => "sparse, by image",
            Op::Grouped(_) => "in groups, by image",
            Op::Dense(_) => "dense, by image",
            Op::Matrix(m) if m.is_sparse() => "sparse matrix",
            Op::Matrix(_) => "dense matrix",
            _ => "by image",
        }
    }

    /// Writes its output to `y`, in at most `tasks` parts for several threads.
    pub(crate) fn run(
        &self,
        inputs: [&[f32]; 2],
        add: &[f32],
        (room, y): (&mut [f32], &mut [f32]),
        tasks: usize,
    ) {
        let x = inputs[0];
        let end = Ends { bias: &self.bias, add, relu: self.relu };
        match &self.op {
            Op::Sparse(kept) | Op::Grouped(kept) => return kept.forward((x, room), &end, y, tasks),
            Op::Dense(dense) => return dense.forward((x, room), &end, y, tasks),
            Op::Matrix(matrix) if self.room == 0 => return matrix.forward(x, &end, y, tasks),
            Op::Matrix(matrix) => {
                let features = &mut room[..self.room];
                flat::to_plain(self.from, x, features);
                return matrix.forward(features, &end, y, tasks);
            }
            Op::MaxPool(p) => flat::max_pool(*p, (self.from, x), (self.to, y)),
            Op::Average(grid) => flat::average(*grid, (self.from, x), (self.to, y)),
            Op::Silu => flat::silu(x, y, tasks),
            Op::Sigmoid => flat::sigmoid((self.to, x), y, tasks),
            Op::Scale(one) => flat::scale((self.from, x), (*one, inputs[1]), y),
            Op::Add => flat::add((x, inputs[1]), y, tasks),
            Op::Copy => y.copy_from_slice(x),
        }
        if self.relu {
            flat::relu(y, tasks);
        }
    }
}

fn plain(kind: &Kind, from: Map, second: Map) -> Op {
    match kind {
        Kind::MaxPool(p) => Op::MaxPool(Pooling {
            h: from.h,
            w: from.w,
            kernel: p.kernel,
            stride: p.stride,
            padding: p.padding,
        }),
        Kind::Average(side) => Op::Average(Grid { h: from.h, w: from.w, side: *side }),
        Kind::Silu => Op::Silu,
        Kind::Sigmoid => Op::Sigmoid,
        Kind::Scale => Op::Scale(second),
        Kind::Add => Op::Add,
        Kind::Copy => Op::Copy,
        Kind::Input | Kind::Conv(_) => unreachable!("made elsewhere"),
    }
}
