//! What is said of an operator that is not understood.

use artifact::Error;

use super::super::attributes::Attributes;
use super::super::shapes::is_standard;
use super::File;

/// What operators on the images may be.
pub const SUPPORTED: &str = "Abs, Add, AveragePool, BatchNormalization, Cast, Clip, Concat, Conv, Div, Dropout, Erf, \
    Expand, Flatten, Gather, Gelu, Gemm, GlobalAveragePool, GlobalMaxPool, HardSigmoid, HardSwish, Identity, \
    LayerNormalization, LeakyRelu, LogSoftmax, MatMul, Max, MaxPool, Mean, Min, Mul, Neg, PRelu, Pad, Pow, Reciprocal, \
    ReduceMax, ReduceMean, ReduceSum, Relu, Reshape, Shape, Sigmoid, Slice, Softmax, Split, Sqrt, Squeeze, \
    Sub, Sum, Tanh, Transpose, Unsqueeze, and any arithmetic on constants";

/// An operator that is not understood, with all that the file says of it.
pub fn refused(file: &File, site: usize, what: &str) -> Error {
    let origin = &file.place.origin;
    let Some(node) = file.graph.node.get(site) else {
        return Error::Config(format!("{origin}: {what}"));
    };
    let first = node.output.first().map_or("", String::as_str);
    let name = if node.name.is_empty() { first } else { &node.name };
    let domain = if is_standard(&node.domain) { "" } else { &format!("{}.", node.domain) };
    let printed = Attributes(node).printed();
    let with = if printed.is_empty() { String::new() } else { format!(" with {printed}") };
    Error::Config(format!("{origin}: node {name}: {domain}{}{with}: {what}", node.op_type))
}

/// What is said of an operator that is not known.
pub fn unknown() -> String {
    format!("not supported; supported are {SUPPORTED}")
}
