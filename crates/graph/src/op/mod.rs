//! What a node computes. All facts of an operation stand in its file; [`Op`] hands them on.
//!
//! To add one: a file (or a struct in the file of its family) with its `Facts`, a variant of
//! [`Op`], and its line in `Op::facts` and `KEYWORDS`. The compiler then names every walk that has
//! to say what it does with it.

mod activation;
mod arithmetic;
mod channels;
mod conv;
mod linear;
mod noise;
mod norm;
mod pool;

pub use activation::Activation;
pub use arithmetic::{Scale, Shift};
pub use channels::{PadBorders, PadChannels, Shuffle, Slice};
pub use conv::Conv;
pub use linear::Linear;
pub use noise::{Dropout, StochasticDepth};
pub use norm::{BatchNorm, LayerNorm};
pub use pool::{AdaptiveAverage, AveragePool, MaxPool};

use arithmetic::{Add, Multiply};
use channels::{Concat, Flatten};
use geometry::Size;

use crate::text::{Fields, Written};
use crate::{Role, Shape};

/// Every operation that a network can hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// The images.
    Input,
    /// 2-d convolution (cross-correlation) with zero padding.
    Conv(Conv),
    /// Matrix product of the channels of each pixel and the weight's transpose.
    Linear(Linear),
    /// Batch normalisation of each channel.
    BatchNorm(BatchNorm),
    /// Normalisation over the channels of each pixel.
    LayerNorm(LayerNorm),
    /// Each channel times a parameter.
    Scale(Scale),
    /// Each channel plus a parameter.
    Shift(Shift),
    /// A function of each value by itself.
    Activation(Activation),
    /// Maximum over windows, padded with minus infinity.
    MaxPool(MaxPool),
    /// Mean over windows.
    AveragePool(AveragePool),
    /// Means over a grid of windows that cover each channel.
    AdaptiveAverage(AdaptiveAverage),
    /// Sum of two equal shapes.
    Add,
    /// Product of two equal shapes, or of each channel of the first and its value in the second, a
    /// vector.
    Multiply,
    /// The channels of all inputs, one after the other.
    Concat,
    /// Some of the channels.
    Slice(Slice),
    /// The channels in another order (Zhang et al. 2017).
    Shuffle(Shuffle),
    /// Channels of zeros before and after.
    PadChannels(PadChannels),
    /// Zeros around each channel.
    PadBorders(PadBorders),
    /// All values as a vector, in the order (channel, row, column).
    Flatten,
    /// In training each value is zero with some probability.
    Dropout(Dropout),
    /// In training all of an image is zero with some probability.
    StochasticDepth(StochasticDepth),
}

/// How many nodes an operation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// So many.
    Exactly(usize),
    /// So many or more.
    AtLeast(usize),
}

/// Which input channels an output channel follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// The one of the same number, of each input.
    Own,
    /// Any.
    All,
    /// One, of another number.
    Moved,
}

/// A tensor that an operation has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    /// What stands behind the node's name, a dot between; empty where it has the name of the node.
    pub suffix: &'static str,
    /// Row-major.
    pub shape: Vec<usize>,
    pub role: Role,
}

impl Slot {
    /// Its name as a tensor of the node `node`.
    pub fn named(&self, node: &str) -> String {
        let dot = if self.suffix.is_empty() { "" } else { "." };
        format!("{node}{dot}{}", self.suffix)
    }
}

/// What is known of an operation.
pub(crate) trait Facts {
    /// The name of the operation as `PyTorch`'s modules have it.
    fn label(&self) -> &'static str;
    /// Its word in a graph's text.
    fn keyword(&self) -> &'static str;
    /// Its attributes in a graph's text, those that have their default left out.
    fn fields(&self) -> Written {
        Written::default()
    }
    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }
    /// The output's shape, from as many inputs as the arity says; else what does not fit.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String>;
    /// Its tensors, in the order of a `state_dict`, by the shape of its output.
    fn slots(&self, _output: Shape) -> Vec<Slot> {
        vec![]
    }
    /// How often each weight is used for one image, by the shape of the output.
    fn uses(&self, _output: Shape) -> u64 {
        0
    }
    fn channels(&self) -> Channels;
}

/// The words of all operations but the input.
pub(crate) const KEYWORDS: [&str; 28] = [
    "conv",
    "linear",
    "batch-norm",
    "layer-norm",
    "scale",
    "shift",
    "relu",
    "relu6",
    "leaky-relu",
    "silu",
    "hard-swish",
    "hard-sigmoid",
    "sigmoid",
    "gelu",
    "gelu-tanh",
    "max-pool",
    "average-pool",
    "adaptive-average",
    "add",
    "multiply",
    "concat",
    "slice",
    "shuffle",
    "pad-channels",
    "pad-borders",
    "flatten",
    "dropout",
    "stochastic-depth",
];

impl Op {
    /// The operation `keyword` with the attributes `fields`, of these inputs; None where there is none of
    /// this word.
    pub(crate) fn read(
        keyword: &str,
        fields: &mut Fields,
        inputs: &[Shape],
    ) -> Result<Option<Self>, String> {
        Ok(Some(match keyword {
            "conv" => Self::Conv(Conv::read(fields, inputs)?),
            "linear" => Self::Linear(Linear::read(fields, inputs)?),
            "batch-norm" => Self::BatchNorm(BatchNorm::read(fields)?),
            "layer-norm" => Self::LayerNorm(LayerNorm::read(fields)?),
            "scale" => Self::Scale(Scale { frozen: fields.or("frozen", false)? }),
            "shift" => Self::Shift(Shift { frozen: fields.or("frozen", false)? }),
            "max-pool" => Self::MaxPool(MaxPool::read(fields)?),
            "average-pool" => Self::AveragePool(AveragePool::read(fields)?),
            "adaptive-average" => {
                Self::AdaptiveAverage(AdaptiveAverage { grid: fields.or("grid", Size::square(1))? })
            }
            "add" => Self::Add,
            "multiply" => Self::Multiply,
            "concat" => Self::Concat,
            "slice" => Self::Slice(Slice::read(fields)?),
            "shuffle" => Self::Shuffle(Shuffle { groups: fields.needed("groups")? }),
            "pad-channels" => Self::PadChannels(PadChannels::read(fields)?),
            "pad-borders" => Self::PadBorders(PadBorders { sides: fields.needed("padding")? }),
            "flatten" => Self::Flatten,
            "dropout" => Self::Dropout(Dropout { probability: fields.needed("probability")? }),
            "stochastic-depth" => Self::StochasticDepth(StochasticDepth {
                probability: fields.needed("probability")?,
            }),
            other => return Ok(Activation::read(other, fields)?.map(Self::Activation)),
        }))
    }

    /// What is known of it.
    pub(crate) fn facts(&self) -> &dyn Facts {
        match self {
            Self::Input => &Input,
            Self::Conv(op) => op,
            Self::Linear(op) => op,
            Self::BatchNorm(op) => op,
            Self::LayerNorm(op) => op,
            Self::Scale(op) => op,
            Self::Shift(op) => op,
            Self::Activation(op) => op,
            Self::MaxPool(op) => op,
            Self::AveragePool(op) => op,
            Self::AdaptiveAverage(op) => op,
            Self::Add => &Add,
            Self::Multiply => &Multiply,
            Self::Concat => &Concat,
            Self::Slice(op) => op,
            Self::Shuffle(op) => op,
            Self::PadChannels(op) => op,
            Self::PadBorders(op) => op,
            Self::Flatten => &Flatten,
            Self::Dropout(op) => op,
            Self::StochasticDepth(op) => op,
        }
    }

    /// The input `x` with the padding that the operation puts around it; `x` itself where it puts none.
    pub fn padded(&self, x: Shape) -> Shape {
        let sides = match self {
            Self::Conv(conv) => conv.window.padding,
            Self::MaxPool(pool) => pool.window.padding,
            Self::AveragePool(pool) => pool.window.padding,
            _ => return x,
        };
        Shape::new(x.c, x.h.saturating_add(sides.rows()), x.w.saturating_add(sides.columns()))
    }

    /// How many nodes it reads.
    pub fn arity(&self) -> Arity {
        self.facts().arity()
    }

    /// The name of the operation as `PyTorch`'s modules have it.
    pub fn label(&self) -> &'static str {
        self.facts().label()
    }

    /// Its word in a graph's text.
    pub fn keyword(&self) -> &'static str {
        self.facts().keyword()
    }

    /// Which input channels an output channel follows from.
    pub fn channels(&self) -> Channels {
        self.facts().channels()
    }

    /// The output's shape from those of the inputs; else what does not fit.
    ///
    /// # Errors
    /// Says what was found and expected, without naming the node.
    pub fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (found, arity) = (inputs.len(), self.arity());
        match arity {
            Arity::Exactly(n) if n != found => Err(format!("{found} inputs; expected {n}")),
            Arity::AtLeast(n) if n > found => Err(format!("{found} inputs; expected {n} or more")),
            Arity::Exactly(_) | Arity::AtLeast(_) => self.facts().shape(inputs),
        }
    }
}

/// The images.
struct Input;

impl Facts for Input {
    fn label(&self) -> &'static str {
        "Input"
    }

    fn keyword(&self) -> &'static str {
        "input"
    }

    fn arity(&self) -> Arity {
        Arity::Exactly(0)
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Err("a second input; a network has one, its first node".into())
    }

    fn channels(&self) -> Channels {
        Channels::All
    }
}
