//! What is packed, and how it is wanted.

use std::fmt;

use artifact::tensors::Tensors;
use artifact::{Named, Normalisation};
use graph::Graph;
use serde::{Deserialize, Serialize};
use sparsity::Masks;

use crate::Integers;

/// A pruned checkpoint with what is needed to use it on its own.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The network.
    pub graph: Graph,
    /// Every tensor of the parameter table, f32.
    pub tensors: Tensors,
    /// The masks that the tensors obey.
    pub masks: Masks,
    /// What the network was trained on.
    pub info: Info,
    /// What activations in integers stand for; none where they stay floats.
    pub integers: Option<Integers>,
}

/// What a checkpoint's tensors do not say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// The name of each class, in the order of the logits.
    pub classes: Vec<String>,
    /// Mean of each input channel, subtracted from pixels in `[0, 1]`.
    pub mean: Vec<f64>,
    /// Standard deviation of each input channel, by which the difference is divided.
    pub std: Vec<f64>,
    /// SHA-256 of the checkpoint's weights file, in hexadecimal.
    pub checkpoint: String,
}

impl Info {
    /// How pixels become the network's input.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation { mean: self.mean.clone(), std: self.std.clone() }
    }
}

/// How a checkpoint is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// How the kept weights are stored.
    pub values: Values,
    /// How their positions are stored.
    pub encode: Encode,
    /// Whether batch norms are folded into the weights before them.
    pub fold: bool,
}

/// How kept values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// 32-bit floats, lossless.
    F32,
    /// 16-bit floats, rounded to nearest even.
    F16,
    /// 127 steps a side of the largest value of the output channel.
    Int8,
    /// 16 values a tensor, multiples of the largest value of the output channel.
    Codebook4,
}

/// How positions of kept values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encode {
    /// The smaller of the two, for each tensor.
    Auto,
    /// One bit a weight.
    Bitmask,
    /// The gaps between kept weights, entropy-coded.
    Entropy,
}

impl Named for Values {
    const WHAT: &'static str = "values";
    const ALL: &'static [Self] = &[Self::F32, Self::F16, Self::Int8, Self::Codebook4];

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
            Self::Codebook4 => "codebook4",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::F32 => "32 bit floats, lossless",
            Self::F16 => "16 bit floats",
            Self::Int8 => "8 bit integers with a scale a channel",
            Self::Codebook4 => "16 values a tensor with a scale a channel",
        }
    }
}

impl Named for Encode {
    const WHAT: &'static str = "positions";
    const ALL: &'static [Self] = &[Self::Auto, Self::Bitmask, Self::Entropy];

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Bitmask => "bitmask",
            Self::Entropy => "entropy",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Auto => "The smallest, tensor by tensor",
            Self::Bitmask => "A bit a weight",
            Self::Entropy => {
                "Distances of kept weights, or of blocks that are kept as a whole, entropy-coded"
            }
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Encode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_file() {
        for v in Values::ALL.iter().copied() {
            assert_eq!(Values::named(v.name()).expect("its own word"), v);
            assert_eq!(serde_json::to_string(&v).expect("a word"), format!("{:?}", v.name()));
        }
        for e in Encode::ALL.iter().copied() {
            assert_eq!(Encode::named(e.name()).expect("its own word"), e);
            assert_eq!(serde_json::to_string(&e).expect("a word"), format!("{:?}", e.name()));
        }
        let error = Values::named("int4").expect_err("unknown").to_string();
        assert!(error.contains("expected one of f32, f16, int8, codebook4"), "{error}");
    }
}
