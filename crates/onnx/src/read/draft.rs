//! A network in the making: operations of a graph, and what is still a part of one.

use std::rc::Rc;

use geometry::Sides;
use graph::{Op, Shape};

/// What a draft computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// An operation of a graph.
    Op(Op),
    /// `min(max(x, low), high)`.
    Clip {
        low: f32,
        high: f32,
    },
    Erf,
    Tanh,
    Power(f32),
    Sqrt,
    Reciprocal,
    /// The mean over the channels of each pixel.
    ChannelMean,
    /// The first minus the second, which has a single channel.
    Less,
    /// The first divided by the second, which has a single channel.
    Ratio,
    /// The first times the second, which has a single channel.
    PixelProduct,
    /// Minus infinity around the map, which a maximum never takes.
    Below(Sides),
    /// A matrix times each channel.
    Rows(Rc<Vec<f32>>),
    /// Each channel times a matrix.
    Columns(Rc<Vec<f32>>),
    /// Softmax over the channels, or its logarithm.
    Softmax {
        log: bool,
    },
}

impl Step {
    /// The most tensors of one value a channel that the step may be lowered to.
    pub fn most_weights(&self) -> usize {
        match self {
            Self::Clip { .. } => 5,
            Self::Tanh => 3,
            _ => 0,
        }
    }
}

/// A tensor of a draft: what stands behind its name, and the values.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    pub suffix: &'static str,
    pub values: Rc<Vec<f32>>,
}

/// A node in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub step: Step,
    /// Drafts before this one.
    pub inputs: Vec<usize>,
    pub shape: Shape,
    pub weights: Vec<Weight>,
    /// The module that its parameters name.
    pub path: Option<String>,
    /// The operator of the file that it is.
    pub site: usize,
}

/// Tensors of a draft.
pub fn weights(all: Vec<(&'static str, Rc<Vec<f32>>)>) -> Vec<Weight> {
    all.into_iter().map(|(suffix, values)| Weight { suffix, values }).collect()
}
