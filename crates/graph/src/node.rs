//! One operation of a network, and the shape that it gives.

use artifact::{Error, Result};

use crate::Shape;

/// Added to the variance before the square root, as `PyTorch`'s default.
pub const BATCH_NORM_EPS: f32 = 1e-5;
/// Weight of the newest batch in the running statistics, as `PyTorch`'s default.
pub const BATCH_NORM_MOMENTUM: f32 = 0.1;

/// A named operation on earlier nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Module path in `PyTorch`, such as `layer1.0.conv1`; unique.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Indices of the nodes that it reads, all smaller than its own.
    pub inputs: Vec<usize>,
    /// Shape of its output for one image.
    pub shape: Shape,
}

/// Every operation that a network can hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// The images.
    Input,
    /// 2-d convolution (cross-correlation) with zero padding.
    Conv(Conv),
    /// Batch normalisation of each channel.
    BatchNorm,
    /// max(x, 0).
    Relu,
    /// x * sigmoid(x) (Elfwing et al. 2017).
    Silu,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// Maximum over windows, padded with minus infinity.
    MaxPool(Pool),
    /// Means over a grid of this many windows a side that cover each channel; 1 is the mean over all
    /// its pixels: a vector.
    Average(usize),
    /// Matrix product of the flattened input and the weight's transpose.
    Linear(Linear),
    /// Sum of two equal shapes.
    Add,
    /// Each channel of the first times its value in the second, a vector.
    Scale,
    /// In training each value is zero with this probability, and the others grow to make up for it
    /// (Srivastava et al. 2014).
    Dropout(f64),
    /// In training all of an image is zero with this probability, and the other images grow to make
    /// up for it (Huang et al. 2016): what remains is the branch beside it.
    StochasticDepth(f64),
}

/// Sizes of a convolution. Weight: `outputs x inputs/groups x kernel x kernel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Into how many groups the channels are split; outputs read the inputs of their group alone.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

/// Sizes of a pooling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Height and width of the window.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Padding on each side; at most half the kernel.
    pub padding: usize,
}

/// Sizes of a linear layer. Weight: `outputs x inputs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Input features.
    pub inputs: usize,
    /// Output features.
    pub outputs: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Op {
    /// How many nodes it reads.
    pub fn arity(&self) -> usize {
        match self {
            Self::Input => 0,
            Self::Add | Self::Scale => 2,
            _ => 1,
        }
    }

    /// The name of the operation as `PyTorch`'s modules have it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Input => "Input",
            Self::Conv(_) => "Conv2d",
            Self::BatchNorm => "BatchNorm2d",
            Self::Relu => "ReLU",
            Self::MaxPool(_) => "MaxPool2d",
            Self::Silu => "SiLU",
            Self::Sigmoid => "Sigmoid",
            Self::Average(_) => "AdaptiveAvgPool2d",
            Self::Linear(_) => "Linear",
            Self::Add => "Add",
            Self::Scale => "Multiply",
            Self::Dropout(_) => "Dropout",
            Self::StochasticDepth(_) => "StochasticDepth",
        }
    }

    /// The output's shape from those of the inputs.
    pub(crate) fn shape(&self, node: &str, inputs: &[Shape]) -> Result<Shape> {
        let bad = |what: String| Err(Error::Config(format!("node {node}: {what}")));
        if inputs.len() != self.arity() {
            return bad(format!("{} inputs; expected {}", inputs.len(), self.arity()));
        }
        match (self, inputs) {
            (Self::Conv(conv), [x]) if conv.inputs != x.c => {
                bad(format!("{} input channels; expected {}", x.c, conv.inputs))
            }
            (Self::Conv(v), _)
                if v.groups == 0
                    || !v.inputs.is_multiple_of(v.groups)
                    || !v.outputs.is_multiple_of(v.groups) =>
            {
                bad(format!(
                    "{} groups do not divide {} inputs and {} outputs",
                    v.groups, v.inputs, v.outputs
                ))
            }
            (Self::Conv(v), [x]) => windows(node, *x, (v.kernel, v.stride, v.padding))
                .map(|(h, w)| Shape::new(v.outputs, h, w)),
            (Self::MaxPool(p), _) if p.padding * 2 > p.kernel => {
                bad(format!("padding {} over half the kernel {}", p.padding, p.kernel))
            }
            (Self::MaxPool(p), [x]) => windows(node, *x, (p.kernel, p.stride, p.padding))
                .map(|(h, w)| Shape::new(x.c, h, w)),
            (Self::Average(0), _) => bad("an average over no windows".into()),
            (Self::Average(side), [x]) => Ok(Shape::new(x.c, *side, *side)),
            (Self::Linear(l), [x]) if l.inputs != x.count() => {
                bad(format!("{} input features; expected {}", x.count(), l.inputs))
            }
            (Self::Linear(l), _) => Ok(Shape::new(l.outputs, 1, 1)),
            (Self::Add, [a, b]) if a != b => {
                bad(format!("adds {a} and {b}; expected equal shapes"))
            }
            (Self::Scale, [a, b]) if *b != Shape::new(a.c, 1, 1) => {
                bad(format!("multiplies {a} by {b}; expected a value a channel"))
            }
            (Self::Dropout(p) | Self::StochasticDepth(p), _) if !(0.0..1.0).contains(p) => {
                bad(format!("probability {p}; expected 0 up to, but not, 1"))
            }
            (Self::Input, _) => bad("an input is made by Graph::build alone".into()),
            (_, [x, ..]) => Ok(*x),
            (_, []) => unreachable!("the arity was checked"),
        }
    }
}

/// Output height and width of windows of `(kernel, stride, padding)` over `x`.
fn windows(node: &str, x: Shape, sizes: (usize, usize, usize)) -> Result<(usize, usize)> {
    let (kernel, stride, padding) = sizes;
    let along = |side: usize| {
        let room = (side + 2 * padding).checked_sub(kernel)?;
        (kernel > 0).then_some(room.checked_div(stride)? + 1)
    };
    along(x.h).zip(along(x.w)).ok_or_else(|| {
        Error::Config(format!(
            "node {node}: kernel {kernel}, stride {stride}, padding {padding} do not fit {x}"
        ))
    })
}
