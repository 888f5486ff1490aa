//! What a network in integers needs beside its weights.

use std::collections::{BTreeMap, BTreeSet};

use artifact::tensors::{Tensor, Tensors};
use graph::Graph;
use serde::{Deserialize, Serialize};

use crate::{Options, Values};

/// What the integers of a network's activations stand for, and how that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integers {
    /// How the ranges were found.
    pub calibration: Calibration,
    /// By the name of a node, the range of the layer that begins with it.
    pub ranges: BTreeMap<String, Range>,
    /// By the name of a convolution, how the channels of its output were brought to like ranges.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub equalised: BTreeMap<String, Equalised>,
    /// By the name of a convolution or linear layer, its folded bias without what rounding the weights shifts;
    /// it is stored as the layer's bias. Empty in what was read.
    #[serde(skip)]
    pub biases: BTreeMap<String, Vec<f32>>,
}

/// How ranges were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Images that were looked at.
    pub images: usize,
    /// By which rule a range follows from their values.
    pub rule: String,
}

/// A convolution whose outputs are multiplied by powers of two, and the depthwise one that divides by them. The
/// weights that are stored are those after that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equalised {
    /// The name of the depthwise convolution.
    pub reader: String,
    /// By output channel, which power of two its weights and its bias were multiplied by.
    pub exponents: Vec<u8>,
}

/// The largest exponent that a file may have: beyond it scales of weights would not be normal numbers.
const MOST: u8 = 16;

/// What the integers 0 to 255 of an activation stand for: `scale * (q - zero)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The distance of two neighbours; positive.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero: u8,
    /// The share of the values seen that lie beyond it.
    pub saturated: f64,
    /// Root of the mean squared error over the root of the mean square of the values seen.
    pub error: f64,
}

impl Range {
    /// The least and the largest value that an integer stands for.
    pub fn bounds(&self) -> (f64, f64) {
        let value = |q: i32| f64::from(self.scale) * f64::from(q - i32::from(self.zero));
        (value(0), value(255))
    }
}

impl Integers {
    /// Whether they can be those of `graph`, packed with `options`; if not, why.
    pub(crate) fn check(&self, graph: &Graph, options: Options) -> Result<(), String> {
        match options {
            Options { values: Values::Int8, fold: true, .. } => {}
            Options { values: Values::Int8, fold: false, .. } => {
                return Err("activations in integers: norms are kept; expected them folded".into());
            }
            Options { values, .. } => {
                return Err(format!("activations in integers: values are {values}; expected int8"));
            }
        }
        let nodes: BTreeSet<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
        for (name, range) in &self.ranges {
            let Range { scale, saturated, error, .. } = *range;
            if !nodes.contains(name.as_str()) {
                return Err(format!("a range of layer {name}, which the network has not"));
            }
            if !scale.is_normal() || scale < 0.0 {
                return Err(format!(
                    "the range of layer {name} has scale {scale}; expected a positive number"
                ));
            }
            if !(0.0..=1.0).contains(&saturated) || !error.is_finite() || error < 0.0 {
                return Err(format!(
                    "the range of layer {name} has a saturated share of {saturated} and an error of {error}; \
                     expected a share from 0 to 1, and 0 or more"
                ));
            }
        }
        for (name, Equalised { reader, exponents }) in &self.equalised {
            let weight = |name: &str| graph.param(&format!("{name}.weight"));
            let shapes =
                weight(name).zip(weight(reader)).filter(|(a, b)| a.prunable() && b.prunable());
            let fits = shapes.is_some_and(|(layer, reader)| {
                let outputs = layer.shape[0];
                let depthwise = reader.shape[1] == 1 && reader.shape[0].is_multiple_of(outputs);
                depthwise && exponents.len() == outputs
            });
            if !fits || exponents.iter().any(|exponent| *exponent > MOST) {
                return Err(format!(
                    "layer {name} is equalised for {reader} by {} exponents; expected a convolution, a depthwise one \
                     that reads it, and an exponent from 0 to {MOST} for each channel between them",
                    exponents.len()
                ));
            }
        }
        Ok(())
    }

    /// The folded `tensors` with the weights of equalised layers as they are stored.
    pub(crate) fn equalise(&self, tensors: &mut Tensors) {
        for (layer, Equalised { reader, exponents }) in &self.equalised {
            let factors = || exponents.iter().map(|exponent| 2.0_f32.powi(i32::from(*exponent)));
            multiply(tensors, &format!("{layer}.weight"), factors());
            multiply(tensors, &format!("{reader}.weight"), factors().map(f32::recip));
        }
    }
}

/// Multiplies the values of each channel of the tensor `name`, which are behind each other, by its factor.
fn multiply(tensors: &mut Tensors, name: &str, factors: impl ExactSizeIterator<Item = f32>) {
    let tensor = &tensors[name];
    let mut values = tensor.as_f32().expect("checked against the table").to_vec();
    let each = values.len() / factors.len();
    for (values, factor) in values.chunks_exact_mut(each).zip(factors) {
        for value in values {
            *value *= factor;
        }
    }
    let scaled = Tensor::f32(&tensor.shape, values);
    tensors.insert(name.to_owned(), scaled);
}
