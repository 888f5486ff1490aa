//! A network as it is run: layers that read layers, norms folded into weights, what follows a
//! convolution part of it. No training, and no names but for people.

use graph::fold::Folded;
use graph::group::{self, Group, Walk};
use graph::{BATCH_NORM_EPS, Graph, Op, Pool, Shape};

/// Layers in topological order.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The first is the input; the last gives the logits.
    pub layers: Vec<Layer>,
}

/// What one layer computes from others.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Name of the first of the graph's nodes that it computes.
    pub name: String,
    /// What it computes.
    pub kind: Kind,
    /// The layers that it reads, all before it.
    pub inputs: Vec<usize>,
    /// The layer whose output is added to a [`Kind::Conv`]'s.
    pub add: Option<usize>,
    /// Whether what is negative then becomes 0.
    pub relu: bool,
    /// Shape of its output for one image.
    pub shape: Shape,
}

/// What a layer computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The image.
    Input,
    /// A convolution, or a linear layer: that is one whose window is all of its input.
    Conv(Conv),
    /// Maximum over windows.
    MaxPool(Pool),
    /// Means over a grid of this many windows a side.
    Average(usize),
    /// x * sigmoid(x).
    Silu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// Each channel of the first times its value in the second.
    Scale,
    /// The sum of two.
    Add,
    /// What it reads, for its `relu`.
    Copy,
}

/// A convolution with its values. Weight: `outputs x inputs/groups x kernel_h x kernel_w`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// Height and width of the kernel.
    pub kernel: (usize, usize),
    /// Step between windows.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Into how many groups the channels are split.
    pub groups: usize,
    /// Row by row.
    pub weight: Vec<f32>,
    /// One value an output.
    pub bias: Vec<f32>,
}

impl Network {
    /// The layers of `graph`; `folded` gives the values of each convolution and linear layer, and
    /// `norm` scale, shift, mean and variance of a norm (a node) that follows none of these.
    pub fn new(
        graph: &Graph,
        folded: impl Fn(&Group) -> Folded,
        norm: impl Fn(usize) -> [Vec<f32>; 4],
    ) -> Self {
        let groups = group::groups(graph, Walk::Inference);
        let input = Layer {
            name: graph.nodes()[0].name.clone(),
            kind: Kind::Input,
            inputs: vec![],
            add: None,
            relu: false,
            shape: graph.nodes()[0].shape,
        };
        let mut layers = vec![input];
        // The layer that holds each node's output.
        let mut of = vec![0; graph.nodes().len()];
        for group in &groups {
            let core = &graph.nodes()[group.core];
            let kind = match core.op {
                Op::Conv(_) | Op::Linear(_) => Kind::Conv(conv(graph, group, folded(group))),
                Op::BatchNorm => Kind::Conv(normalise(norm(group.core))),
                Op::MaxPool(pool) => Kind::MaxPool(pool),
                Op::Average(side) => Kind::Average(side),
                Op::Silu => Kind::Silu,
                Op::Sigmoid => Kind::Sigmoid,
                Op::Scale => Kind::Scale,
                Op::Add => Kind::Add,
                Op::Relu | Op::Dropout(_) | Op::StochasticDepth(_) => Kind::Copy,
                Op::Input => unreachable!("the input has no group"),
            };
            of[group.head] = layers.len();
            layers.push(Layer {
                name: core.name.clone(),
                kind,
                inputs: core.inputs.iter().map(|n| of[*n]).collect(),
                add: group.add.map(|n| of[n]),
                relu: group.relu || core.op == Op::Relu,
                shape: graph.nodes()[group.head].shape,
            });
        }
        Self { layers }
    }

    /// Multiply-accumulates of one image, of all weights and of those that are not zero.
    pub fn macs(&self) -> (u64, u64) {
        let each = self.layers.iter().map(Layer::macs);
        each.fold((0, 0), |(a, b), (all, kept)| (a + all, b + kept))
    }
}

impl Layer {
    /// The layers whose outputs it reads.
    pub fn reads(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().copied().chain(self.add)
    }

    /// Multiply-accumulates of one image, of all weights and of those that are not zero.
    pub fn macs(&self) -> (u64, u64) {
        let Kind::Conv(conv) = &self.kind else { return (0, 0) };
        let pixels = self.shape.pixels() as u64;
        let kept = conv.weight.iter().filter(|w| **w != 0.0).count() as u64;
        (conv.weight.len() as u64 * pixels, kept * pixels)
    }
}

impl Conv {
    /// Weights of one output.
    pub fn row(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Weights of one (output, input) pair.
    pub fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Weights that are not zero, over all.
    pub fn density(&self) -> f64 {
        let kept = self.weight.iter().filter(|w| **w != 0.0).count();
        kept as f64 / self.weight.len() as f64
    }
}

fn conv(graph: &Graph, group: &Group, folded: Folded) -> Conv {
    let node = &graph.nodes()[group.core];
    let x = graph.nodes()[node.inputs[0]].shape;
    let Folded { weight, bias } = folded;
    match node.op {
        Op::Conv(v) => Conv {
            kernel: (v.kernel, v.kernel),
            stride: v.stride,
            padding: v.padding,
            groups: v.groups,
            weight,
            bias,
        },
        _ => Conv { kernel: (x.h, x.w), stride: 1, padding: 0, groups: 1, weight, bias },
    }
}

/// A norm as a convolution of single pixels, each channel by itself.
fn normalise([scale, shift, mean, variance]: [Vec<f32>; 4]) -> Conv {
    let weight: Vec<f32> =
        scale.iter().zip(&variance).map(|(s, v)| s / (v + BATCH_NORM_EPS).sqrt()).collect();
    let bias = (0..shift.len()).map(|c| shift[c] - mean[c] * weight[c]).collect();
    Conv { kernel: (1, 1), stride: 1, padding: 0, groups: weight.len(), weight, bias }
}
