//! Layers made ready to run in integers.

use kernels::conv::depthwise;
use kernels::integer::{
    Averages, Depthwise, Ending, Input, Instructions, Maps, Max, Method, Output, Padding,
    Pointwise, Quads, Rounded, Rounding, Summand, Value, Weights, Word, flatten, from_floats,
    to_floats,
};
use kernels::{Activation, Buffer, LANES, Lanes, pack};

use super::{How, IntegerWeights, integers, times};
use crate::block::{BlockLayer, BlockOperands};
use crate::{Conv, Kind, Network, gather, sizes};

/// A layer that is ready to run.
pub(super) enum IntegerLayer {
    Input,
    Conv(Box<Convolution>),
    Max(Max),
    Average(Averages, Option<Activation>),
    Pointwise(Pointwise, Option<Activation>),
    Padding(Padding),
    Flatten,
    /// Computed from the values that the integers stand for.
    Floats(BlockLayer),
}

/// A convolution with what follows its sums.
pub(super) struct Convolution {
    kernel: Products,
    factors: Vec<f32>,
    bias: Vec<f32>,
    activation: Option<Activation>,
}

enum Products {
    Full(Weights),
    Depthwise(Depthwise),
}

/// What a layer reads and writes.
pub(super) struct Operands<'a> {
    pub inputs: &'a [Value<'a>],
    pub add: Option<Value<'a>>,
    pub to: Target<'a>,
}

/// Where a layer's output goes.
pub(super) enum Target<'a> {
    /// To words of these maps.
    Words(Maps, Rounding, &'a mut [Word]),
    /// As logits `(n, classes)`.
    Logits(&'a mut [f32]),
}

impl IntegerLayer {
    /// Layer `n`, whose input and output are rounded as `roundings` say of each layer.
    pub fn new(network: &Network, n: usize, roundings: &[Rounding], how: How) -> Self {
        let layer = &network.layers[n];
        let activation = layer.activation.map(sizes::activation);
        let last = n + 1 == network.layers.len();
        let x = layer.inputs.first().map(|input| network.layers[*input].shape);
        let floats = || Self::Floats(BlockLayer::new(network, n, false));
        let Some(x) = x else { return Self::Input };
        let from = roundings[layer.inputs[0]];
        let average = |average| match Averages::new(&average, x.c, how.tiles) {
            Some(kernel) => Self::Average(kernel, activation),
            None => floats(),
        };
        // What copies bytes needs them to stand for the same values.
        let copies = activation.is_none() && roundings[n] == from;
        match &layer.kind {
            Kind::Conv(_) if Runs::of(network, n) == Runs::Floats => floats(),
            Kind::Conv(conv) => Self::Conv(Box::new(convolution(network, n, (conv, from), how))),
            // Logits are not rounded.
            _ if last => floats(),
            Kind::MaxPool(pool) if copies => {
                Self::Max(Max::new(&sizes::max_pool(x, *pool), x.c, how.tiles))
            }
            Kind::AveragePool(pool) => average(sizes::average_pool(x, *pool)),
            Kind::AdaptiveAverage(pool) => average(sizes::adaptive_average(x, *pool)),
            Kind::Add => Self::Pointwise(Pointwise::Add, activation),
            Kind::Multiply => Self::Pointwise(Pointwise::Multiply, activation),
            Kind::Gather(sources) => {
                Self::Pointwise(Pointwise::Gather(sources.clone()), activation)
            }
            Kind::Copy => Self::Pointwise(Pointwise::Gather(gather::all(x.c)), activation),
            Kind::PadBorders(pad) if copies => {
                Self::Padding(Padding::new(&sizes::border(x, *pad), x.c, how.tiles))
            }
            Kind::Flatten if copies => Self::Flatten,
            Kind::Input
            | Kind::MaxPool(_)
            | Kind::PadBorders(_)
            | Kind::Flatten
            | Kind::LayerNorm(_) => floats(),
        }
    }

    /// Which kernel it runs, for people.
    pub fn kernel(&self) -> &'static str {
        match self {
            Self::Input => "rounded",
            Self::Conv(conv) => match &conv.kernel {
                Products::Full(weights) if weights.method() == Method::Sparse => "sparse, int8",
                Products::Full(weights) if weights.instructions() == Instructions::Amx => {
                    "matrices, int8"
                }
                Products::Full(_) => "dense, int8",
                Products::Depthwise(_) => "depthwise, int8",
            },
            Self::Max(_)
            | Self::Average(..)
            | Self::Pointwise(..)
            | Self::Padding(_)
            | Self::Flatten => "int8",
            Self::Floats(_) => "f32",
        }
    }

    /// What multiplies its bytes, if it multiplies any.
    pub fn instructions(&self) -> Option<Instructions> {
        match self {
            Self::Conv(conv) => Some(match &conv.kernel {
                Products::Full(weights) => weights.instructions(),
                Products::Depthwise(depthwise) => depthwise.instructions(),
            }),
            _ => None,
        }
    }

    /// Computes the output of a layer that is not the input.
    pub fn run(&self, operands: Operands) {
        let x = operands.inputs[0];
        let input = Input { layout: x.maps.layout, words: x.words, rounding: x.rounding };
        match (self, operands.to) {
            (Self::Conv(conv), to) => conv.run(input, operands.add, to),
            (Self::Max(max), Target::Words(_, _, y)) => max.forward(input, y),
            (Self::Average(average, activation), Target::Words(_, to, y)) => {
                let end = Rounded { activation: *activation, to };
                average.forward(input, end, y);
            }
            (Self::Pointwise(op, activation), Target::Words(maps, to, y)) => {
                op.forward(operands.inputs, maps, Rounded { activation: *activation, to }, y);
            }
            (Self::Padding(padding), Target::Words(_, _, y)) => padding.forward(input, y),
            (Self::Flatten, Target::Words(_, _, y)) => flatten(x, y),
            (Self::Floats(layer), to) => in_floats(layer, operands.inputs, operands.add, to),
            (Self::Input, _) => unreachable!("images are rounded"),
            (_, Target::Logits(_)) => unreachable!("logits come from a convolution or from floats"),
        }
    }
}

impl Convolution {
    fn run(&self, x: Input, add: Option<Value>, to: Target) {
        let add = add.map(|add| Summand { words: add.words, rounding: add.rounding });
        let end =
            Ending { factors: &self.factors, bias: &self.bias, add, activation: self.activation };
        match (&self.kernel, to) {
            (Products::Full(weights), Target::Words(_, rounding, y)) => {
                weights.forward(x, &end, Output::Words(y, rounding));
            }
            (Products::Full(weights), Target::Logits(logits)) => {
                let blocks = x.layout.blocks();
                let mut floats = Buffer::new(blocks * self.bias.len() * LANES);
                weights.forward(x, &end, Output::Floats(&mut floats));
                // The one pixel of an image in tiles is its first lane.
                pack::from_blocks(&floats, self.bias.len(), Lanes::of(x.layout.images()), logits);
            }
            (Products::Depthwise(weights), Target::Words(_, rounding, y)) => {
                weights.forward(x, &end, (y, rounding));
            }
            (Products::Depthwise(_), Target::Logits(_)) => {
                unreachable!("a last depthwise layer is run as one group")
            }
        }
    }
}

fn in_floats(layer: &BlockLayer, inputs: &[Value], add: Option<Value>, to: Target) {
    let layout = inputs[0].maps.layout;
    let lanes = Lanes::of(layout.images());
    let len = |maps: &Maps| layout.blocks() * maps.channels * maps.size.pixels() * LANES;
    let floats = |x: &Value| {
        let mut values = Buffer::zeros(len(&x.maps));
        to_floats(x.words, (x.maps, x.rounding), &mut values);
        values
    };
    let inputs: Vec<Buffer> = inputs.iter().map(floats).collect();
    let add = add.as_ref().map(floats);
    let add = add.as_ref().map_or(&[][..], |add| add);
    let inputs: Vec<&[f32]> = inputs.iter().map(|b| &b[..]).collect();
    let run = |len: usize| {
        let mut values = Buffer::zeros(len);
        layer.run(BlockOperands { lanes, inputs: &inputs, add, y: &mut values });
        values
    };
    match to {
        Target::Words(maps, rounding, y) => from_floats(&run(len(&maps)), (maps, rounding), y),
        Target::Logits(logits) => {
            let classes = logits.len() / layout.images();
            pack::from_blocks(&run(layout.blocks() * classes * LANES), classes, lanes, logits);
        }
    }
}

/// How a convolution is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Each channel by itself.
    Depthwise,
    /// In one group, with zeros where outputs read nothing.
    Full,
    /// In floats: grouped, and so wide that as one group most weights would be such zeros.
    Floats,
}

impl Runs {
    /// The most weights that a grouped convolution may have when laid out as a single group.
    const MOST: usize = 1 << 24;

    /// Layer `n`, a convolution.
    fn of(network: &Network, n: usize) -> Self {
        let layer = &network.layers[n];
        let Kind::Conv(conv) = &layer.kind else { unreachable!("a convolution") };
        let (inputs, outputs) = (network.layers[layer.inputs[0]].shape.c, layer.shape.c);
        let last = n + 1 == network.layers.len();
        let whole = inputs.saturating_mul(outputs).saturating_mul(conv.taps());
        match conv.groups {
            groups if groups == inputs && groups == outputs && !last => Self::Depthwise,
            2.. if whole > Self::MOST => Self::Floats,
            _ => Self::Full,
        }
    }
}

/// Whether `network` can be run in integers: it computes something, and every sum fits 32 bits.
///
/// # Errors
/// Names the layer whose sums may overflow.
pub fn check(network: &Network) -> Result<(), String> {
    if network.layers.len() == 1 {
        return Err("the network has no layers; pack it with --activations f32".into());
    }
    for (n, layer) in network.layers.iter().enumerate().skip(1) {
        let x = network.layers[layer.inputs[0]].shape;
        let terms = match &layer.kind {
            Kind::Conv(conv) => match Runs::of(network, n) {
                Runs::Full => x.c * conv.taps(),
                Runs::Depthwise => conv.taps(),
                Runs::Floats => 0,
            },
            Kind::AveragePool(pool) => pool.window.taps().div_ceil(WEIGHT),
            Kind::AdaptiveAverage(_) => x.pixels().div_ceil(WEIGHT),
            _ => 0,
        };
        if !Weights::fits_i32(terms) {
            return Err(format!(
                "layer {}: its sums have so many terms that they may overflow 32 bits; pack the \
                 network with --activations f32",
                layer.name
            ));
        }
    }
    Ok(())
}

/// The largest magnitude of a weight: an average's terms have no weight, so this many count as one product.
const WEIGHT: usize = 128;

fn convolution(
    network: &Network,
    n: usize,
    (conv, from): (&Conv, Rounding),
    how: How,
) -> Convolution {
    let layer = &network.layers[n];
    let x = network.layers[layer.inputs[0]].shape;
    let own = integers(conv);
    let IntegerWeights { weights, scales } = &*own;
    let factors = scales.iter().map(|scale| scale * from.scale).collect();
    let activation = layer.activation.map(sizes::activation);
    let lanes = Lanes::of(1);
    let kernel = if Runs::of(network, n) == Runs::Depthwise {
        let sizes =
            depthwise::Depthwise { lanes, channels: x.c, h: x.h, w: x.w, window: conv.window };
        Products::Depthwise(Depthwise::new(&sizes, weights, how.tiles, how.instructions))
    } else {
        let full = kernels::conv::Conv {
            lanes,
            inputs: x.c,
            h: x.h,
            w: x.w,
            outputs: layer.shape.c,
            window: conv.window,
        };
        let quads = Quads::new(&full, weights, conv.groups);
        Products::Full(Weights::new(&full, &quads, times::arrangement(&full, quads.density(), how)))
    };
    Convolution { kernel, factors, bias: conv.bias.clone(), activation }
}
