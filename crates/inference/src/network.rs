//! A network as it is run: layers that read layers, norms folded into weights, what follows a
//! convolution part of it. No training, and no names but for people.

use std::borrow::Cow;

use artifact::tensors::Tensors;
use geometry::{Sides, Size, Window};
use graph::fold::{self, Folded};
use graph::group::{self, Group, Walk};
use graph::op::{AveragePool, MaxPool, PadBorders};
use graph::{Activation, AdaptiveAverage, Graph, Op, Role, Shape};

use kernels::channels::Source;
use packed::IntegerWeights;

use crate::{gather, plain};

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
    /// What is then done to each value.
    pub activation: Option<Activation>,
    /// Shape of its output for one image.
    pub shape: Shape,
}

/// What a layer computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The image.
    Input,
    /// A convolution, or a linear layer.
    Conv(Conv),
    /// Normalisation over the channels of each pixel.
    LayerNorm(LayerNorm),
    /// Maximum over windows.
    MaxPool(MaxPool),
    /// Mean over windows.
    AveragePool(AveragePool),
    /// Means over a grid of windows.
    AdaptiveAverage(AdaptiveAverage),
    /// The sum of two.
    Add,
    /// The product of two equal shapes, or of each channel and its value in the second, a vector.
    Multiply,
    /// Channels of the inputs in any order, and channels of one value: the source of each.
    Gather(Vec<Source>),
    /// Zeros around each channel.
    PadBorders(PadBorders),
    /// All values as a vector.
    Flatten,
    /// What it reads, for its activation.
    Copy,
}

/// A convolution with its values. Weight: `outputs x inputs/groups x kernel`. A linear layer is one of
/// single pixels, or one whose window is all of its input.
#[derive(Debug, Clone, PartialEq)]
pub struct Conv {
    /// What an output reads.
    pub window: Window,
    /// Into how many groups the channels are split.
    pub groups: usize,
    /// Row by row.
    pub weight: Weight,
    /// One value an output.
    pub bias: Vec<f32>,
}

/// The weights of a convolution.
#[derive(Debug, Clone, PartialEq)]
pub enum Weight {
    /// As numbers.
    Floats(Vec<f32>),
    /// As a file with int8 activations has them.
    Integers(IntegerWeights),
}

impl Weight {
    /// How many.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(weights) => weights.len(),
            Self::Integers(own) => own.weights.len(),
        }
    }

    /// How many are not zero.
    pub fn kept(&self) -> usize {
        match self {
            Self::Floats(weights) => weights.iter().filter(|w| **w != 0.0).count(),
            Self::Integers(own) => own.weights.iter().filter(|w| **w != 0).count(),
        }
    }

    /// The numbers.
    pub fn floats(&self) -> Cow<'_, [f32]> {
        match self {
            Self::Floats(weights) => Cow::Borrowed(weights),
            Self::Integers(IntegerWeights { weights, scales }) => {
                let rows = weights.chunks_exact(weights.len() / scales.len()).zip(scales);
                let row = |(row, scale): (&[i8], &f32)| -> Vec<f32> {
                    row.iter().map(|w| f32::from(*w) * scale).collect()
                };
                Cow::Owned(rows.flat_map(row).collect())
            }
        }
    }

    /// The numbers, to be changed; integers become numbers.
    pub fn floats_mut(&mut self) -> &mut Vec<f32> {
        if let Self::Integers(_) = self {
            *self = Self::Floats(self.floats().into_owned());
        }
        let Self::Floats(weights) = self else { unreachable!("made above") };
        weights
    }
}

/// A layer norm with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance before the square root.
    pub eps: f32,
    /// A factor a channel; empty for none.
    pub weight: Vec<f32>,
    /// A summand a channel; empty for none.
    pub bias: Vec<f32>,
}

/// Where the values of a network come from.
pub trait Values {
    /// What the layer or norm that `group` begins with multiplies with and adds, the norms behind it
    /// folded; None for any other group.
    fn folded(&self, group: &Group) -> Option<Folded>;
    /// The weights and the bias of a layer whose weights are kept as integers.
    fn integers(&self, _group: &Group) -> Option<(IntegerWeights, Vec<f32>)> {
        None
    }
    /// The parameter of this index in the graph's table, which is that of no such group.
    fn param(&self, index: usize) -> Vec<f32>;
}

/// The values of a checkpoint that was checked against the table of `graph`.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Every tensor of its table.
    pub tensors: &'a Tensors,
}

impl Values for Checked<'_> {
    fn folded(&self, group: &Group) -> Option<Folded> {
        fold::folded(self.graph, group, self.tensors)
    }

    fn param(&self, index: usize) -> Vec<f32> {
        let name = &self.graph.params()[index].name;
        self.tensors[name].as_f32().expect("checked against the table").to_vec()
    }
}

impl Network {
    /// The layers of `graph` with these values. What has no fast kernel is told with -v.
    pub fn new(graph: &Graph, values: &impl Values) -> Self {
        plain::tell_plain(graph);
        let groups = group::groups(graph, Walk::Inference);
        let mut lowering =
            Lowering { graph, values, layers: vec![], of: vec![0; graph.nodes().len()] };
        let input = &graph.nodes()[0];
        lowering.layers.push(Layer {
            name: input.name.clone(),
            kind: Kind::Input,
            inputs: vec![],
            add: None,
            activation: None,
            shape: input.shape,
        });
        for group in &groups {
            lowering.group(group);
        }
        Self { layers: lowering.layers }.without_unread()
    }

    /// Without the layers that nothing reads, the last one apart.
    pub(crate) fn without_unread(mut self) -> Self {
        let mut read = vec![false; self.layers.len()];
        read[0] = true;
        *read.last_mut().expect("a network has layers") = true;
        for (i, layer) in self.layers.iter().enumerate().rev() {
            if read[i] {
                layer.reads().for_each(|n| read[n] = true);
            }
        }
        let place: Vec<usize> = read
            .iter()
            .scan(0, |next, read| {
                let at = *next;
                *next += usize::from(*read);
                Some(at)
            })
            .collect();
        let mut kept = read.iter();
        self.layers.retain(|_| *kept.next().expect("as many as layers"));
        for layer in &mut self.layers {
            layer.inputs.iter_mut().chain(&mut layer.add).for_each(|n| *n = place[*n]);
        }
        self
    }

    /// Multiply-accumulates of one image, of all weights and of those that are not zero.
    pub fn macs(&self) -> (u64, u64) {
        let each = self.layers.iter().map(Layer::macs);
        each.fold((0, 0), |(a, b), (all, kept)| (a + all, b + kept))
    }
}

/// The layers so far.
struct Lowering<'a, V> {
    graph: &'a Graph,
    values: &'a V,
    layers: Vec<Layer>,
    /// The layer that holds each node's output.
    of: Vec<usize>,
}

impl<V: Values> Lowering<'_, V> {
    fn group(&mut self, group: &Group) {
        let nodes = self.graph.nodes();
        let core = &nodes[group.core];
        let read = |i: usize| nodes[core.inputs[i]].shape;
        let mut activation = group.activation;
        let mut inputs: Vec<usize> = core.inputs.iter().map(|n| self.of[*n]).collect();
        let kind = match core.op {
            Op::Conv(v) => self.conv(group, v.window, v.groups),
            Op::Linear(_) => {
                // What was flattened is read as the map that it was; a vector may be inside a group.
                let read = core.inputs[0];
                let flattened = nodes[read].op == Op::Flatten;
                let of_map = flattened && !nodes[nodes[read].inputs[0]].shape.is_vector();
                let source = if of_map { nodes[read].inputs[0] } else { read };
                inputs = vec![self.of[source]];
                let kernel = if of_map { nodes[source].shape.size() } else { Size::square(1) };
                self.conv(group, Window { kernel, ..Window::square(1, 1, 0) }, 1)
            }
            // Each channel by itself.
            Op::BatchNorm(_) | Op::Scale(_) | Op::Shift(_) => {
                self.conv(group, Window::square(1, 1, 0), core.shape.c)
            }
            Op::LayerNorm(norm) => self.layer_norm(group.core, norm.eps),
            Op::Activation(own) => {
                activation = Some(own);
                Kind::Copy
            }
            Op::MaxPool(pool) => Kind::MaxPool(pool),
            Op::AveragePool(pool) => Kind::AveragePool(pool),
            Op::AdaptiveAverage(average) => Kind::AdaptiveAverage(average),
            Op::Add => Kind::Add,
            Op::Multiply => Kind::Multiply,
            Op::Concat => {
                let channels = core.inputs.iter().map(|n| nodes[*n].shape.c);
                Kind::Gather(gather::concat(channels))
            }
            Op::Slice(slice) => Kind::Gather(gather::slice(slice)),
            Op::Shuffle(shuffle) => Kind::Gather(gather::shuffle(read(0), shuffle)),
            Op::PadChannels(pad) => Kind::Gather(gather::pad_channels(read(0), pad)),
            Op::PadBorders(pad) => Kind::PadBorders(pad),
            Op::Flatten if nodes[core.inputs[0]].shape.is_vector() => Kind::Copy,
            Op::Flatten => Kind::Flatten,
            Op::Dropout(_) | Op::StochasticDepth(_) => Kind::Copy,
            Op::Input => unreachable!("the input has no group"),
        };
        let add = group.add.map(|n| self.of[n]);
        self.of[group.head] = self.layers.len();
        // What does nothing is passed over.
        if kind == Kind::Copy && activation.is_none() {
            self.of[group.head] = inputs[0];
            return;
        }
        let (name, shape) = (core.name.clone(), nodes[group.head].shape);
        self.layers.push(Layer { name, kind, inputs, add, activation, shape });
    }

    fn conv(&self, group: &Group, window: Window, groups: usize) -> Kind {
        if let Some((weights, bias)) = self.values.integers(group) {
            return Kind::Conv(Conv { window, groups, weight: Weight::Integers(weights), bias });
        }
        let Folded { weight, bias } = self.values.folded(group).expect("a layer or a norm");
        Kind::Conv(Conv { window, groups, weight: Weight::Floats(weight), bias })
    }

    fn layer_norm(&self, node: usize, eps: f32) -> Kind {
        let of = |role| self.graph.index_of(node, role).map(|i| self.values.param(i));
        let [weight, bias] =
            [Role::NormWeight, Role::NormBias].map(|role| of(role).unwrap_or_default());
        Kind::LayerNorm(LayerNorm { eps, weight, bias })
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
        (conv.weight.len() as u64 * pixels, conv.weight.kept() as u64 * pixels)
    }
}

impl Conv {
    /// Weights of one output.
    pub fn row(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Weights of one (output, input) pair.
    pub fn taps(&self) -> usize {
        self.window.taps()
    }

    /// Weights that are not zero, over all.
    pub fn density(&self) -> f64 {
        self.weight.kept() as f64 / self.weight.len() as f64
    }

    /// Whether there are zeros around what it reads.
    pub fn is_padded(&self) -> bool {
        self.window.padding != Sides::all(0)
    }

    /// Whether it is a factor and a bias for each value of the vector `x`.
    pub fn is_affine_of(&self, x: Shape) -> bool {
        let by_channel = self.groups > 1 && self.groups == self.weight.len();
        x.is_vector() && by_channel && self.window == Window::square(1, 1, 0)
    }

    /// Whether its one window is all of the input `x`.
    pub fn is_matrix_of(&self, x: Shape) -> bool {
        self.window == Window { kernel: x.size(), ..Window::square(1, 1, 0) } && self.groups == 1
    }
}
