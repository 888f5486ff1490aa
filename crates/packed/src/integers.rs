//! What a network in integers needs beside its weights.

use std::collections::{BTreeMap, BTreeSet};

use artifact::tensors::{Tensor, Tensors};
use graph::group::{self, Walk};
use graph::{Activation, Graph, Op, Param};
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

/// The largest exponent that a file may have. We write none above 4.
const MOST: u8 = 16;

/// Whether the node `name` of `graph` is a convolution or linear layer, whose weight is stored as integers.
pub fn has_weight(graph: &Graph, name: &str) -> bool {
    graph.param(&format!("{name}.weight")).is_some_and(Param::prunable)
}

/// Whether the depthwise convolution `reader`, and nothing else, reads what the layer `name` gives, through whose
/// activation positive factors go.
fn is_pair(graph: &Graph, name: &str, reader: &str) -> bool {
    let nodes = graph.nodes();
    let groups = group::groups(graph, Walk::Inference);
    let Some(group) = groups.iter().find(|group| nodes[group.core].name == name) else {
        return false;
    };
    let passes = matches!(group.activation, None | Some(Activation::Relu | Activation::Relu6));
    let readers = nodes.iter().flat_map(|node| {
        let own = node.inputs.iter().filter(|input| **input == group.head);
        own.map(move |_| node)
    });
    let alone = match readers.collect::<Vec<_>>()[..] {
        [only] => {
            only.name == reader
                && matches!(&only.op, Op::Conv(conv) if conv.groups == nodes[group.head].shape.c)
        }
        _ => false,
    };
    let layer =
        has_weight(graph, name) && matches!(nodes[group.core].op, Op::Conv(_) | Op::Linear(_));
    layer && passes && group.add.is_none() && alone
}

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
            if !is_pair(graph, name, reader) {
                return Err(format!(
                    "layer {name} is equalised for {reader}; expected a convolution, its activation none, relu or \
                     relu6, and a depthwise one that alone reads it"
                ));
            }
            let outputs =
                graph.param(&format!("{name}.weight")).map_or(0, |weight| weight.shape[0]);
            if exponents.len() != outputs || exponents.iter().any(|exponent| *exponent > MOST) {
                return Err(format!(
                    "layer {name} is equalised by {} exponents; expected {outputs} of at most {MOST}",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encode;

    const CHAIN: &str = "secateur-graph 1
image = input channels=3 height=8 width=8
wide = conv(image) outputs=2 kernel=1
relu = relu6(wide)
each = conv(relu) outputs=4 kernel=1 groups=2
more = conv(relu) outputs=4 kernel=1
sum = add(each, more)
next = conv(sum) outputs=4 kernel=1
last = conv(next) outputs=4 kernel=3 padding=1 groups=4
pool = adaptive-average(last)
fc = linear(pool) outputs=10
";

    fn graph(text: &str) -> Graph {
        Graph::parse(text, "chain", "chain").expect("a graph")
    }

    fn integers(layer: &str, reader: &str, exponents: &[u8]) -> Integers {
        let own = Equalised { reader: reader.into(), exponents: exponents.to_vec() };
        Integers {
            calibration: Calibration { images: 1, rule: "squared-error".into() },
            ranges: BTreeMap::new(),
            equalised: [(layer.to_owned(), own)].into(),
            biases: BTreeMap::new(),
        }
    }

    #[test]
    fn only_pairs_are_equalised() {
        let options = Options { values: Values::Int8, encode: Encode::Auto, fold: true };
        let check = |text: &str, found: Integers, expected: &str| {
            let found = found.check(&graph(text), options).err().unwrap_or_default();
            assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{found}");
        };
        check(CHAIN, integers("next", "last", &[0, 4, 16, 1]), "");
        check(
            CHAIN,
            integers("next", "last", &[0, 4, 17, 1]),
            "by 4 exponents; expected 4 of at most 16",
        );
        check(CHAIN, integers("next", "last", &[0, 4, 1]), "by 3 exponents; expected 4");
        let pair = "expected a convolution, its activation none, relu or relu6";
        // `more` reads it as well; a sum; no depthwise layer; one that reads another; and what is not there.
        for (layer, reader) in [
            ("wide", "each"),
            ("each", "next"),
            ("next", "fc"),
            ("wide", "last"),
            ("last", "last"),
            ("image", "wide"),
            ("pool", "fc"),
            ("nothing", "last"),
            ("next", "nothing"),
        ] {
            check(CHAIN, integers(layer, reader, &[0, 1, 0, 1]), pair);
        }
        let alone = CHAIN.replace("more = conv(relu)", "more = conv(image)");
        check(&alone, integers("wide", "each", &[0, 1]), "");
        let silu = alone.replace("relu6(wide)", "silu(wide)");
        check(&silu, integers("wide", "each", &[0, 1]), pair);
    }

    #[test]
    fn weights_are_multiplied_and_divided_by_channel() {
        let tensor = |shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            Tensor::f32(shape, (1..=count).map(|i| i as f32).collect())
        };
        let mut tensors: Tensors =
            [("wide.weight", &[2, 3, 1, 1][..]), ("each.weight", &[4, 1, 1, 1])]
                .into_iter()
                .map(|(name, shape)| (name.to_owned(), tensor(shape)))
                .collect();
        integers("wide", "each", &[0, 3]).equalise(&mut tensors);
        assert_eq!(tensors["wide.weight"].as_f32(), Some(&[1.0, 2.0, 3.0, 32.0, 40.0, 48.0][..]));
        assert_eq!(tensors["each.weight"].as_f32(), Some(&[1.0, 2.0, 0.375, 0.5][..]));
    }
}
