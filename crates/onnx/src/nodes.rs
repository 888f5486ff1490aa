//! The walk over a graph: the ONNX operators of each of its nodes.

use graph::{BATCH_NORM_EPS, Conv, Graph, Linear, Op, Pool};

use crate::average;
use crate::proto::{Attribute, Node};

/// The name of the network's input.
pub const INPUT: &str = "images";
/// The name of the network's output.
pub const OUTPUT: &str = "logits";

/// The operators of the whole network, in topological order. A value is named as the node of the
/// graph that makes it, but for the input and the output.
pub fn nodes(graph: &Graph) -> Vec<Node> {
    let mut all = vec![];
    // The name of each node's value.
    let mut values: Vec<String> = vec![];
    for (i, node) in graph.nodes().iter().enumerate() {
        let last = i + 1 == graph.nodes().len();
        let to = if last { OUTPUT } else { &node.name };
        let from: Vec<&str> = node.inputs.iter().map(|&i| values[i].as_str()).collect();
        let made = Step { name: &node.name, from: &from, to }.nodes(node.op);
        // What makes nothing passes on what it reads, and the input is what there is at first.
        let passed = if made.is_empty() { from.first().copied().unwrap_or(INPUT) } else { to };
        values.push(passed.to_owned());
        all.extend(made);
    }
    all
}

/// A node of the graph: its name and those of the values that it reads and makes.
struct Step<'a> {
    name: &'a str,
    from: &'a [&'a str],
    to: &'a str,
}

impl Step<'_> {
    fn nodes(&self, op: Op) -> Vec<Node> {
        match op {
            Op::Input | Op::Dropout(_) | Op::StochasticDepth(_) => vec![],
            Op::Conv(sizes) => vec![self.conv(sizes)],
            Op::BatchNorm => vec![self.norm()],
            Op::Relu => vec![self.plain("Relu")],
            Op::Silu => self.silu(),
            Op::Sigmoid => vec![self.plain("Sigmoid")],
            Op::MaxPool(sizes) => vec![self.max_pool(sizes)],
            Op::Average(1) => vec![self.plain("GlobalAveragePool")],
            Op::Average(_) => self.average(),
            Op::Linear(sizes) => self.linear(sizes),
            Op::Add => vec![self.plain("Add")],
            // The vector is channels x 1 x 1 and is broadcast.
            Op::Scale => vec![self.plain("Mul")],
        }
    }

    /// One operator of what this step reads and of its parameters of these names.
    fn with(&self, kind: &str, params: &[&str], attribute: Vec<Attribute>) -> Node {
        let params = params.iter().map(|p| format!("{}.{p}", self.name));
        let input = self.from.iter().copied().map(str::to_owned).chain(params).collect();
        let (name, output) = (self.name.to_owned(), vec![self.to.to_owned()]);
        Node { input, output, name, op_type: kind.to_owned(), attribute }
    }

    fn plain(&self, kind: &str) -> Node {
        self.with(kind, &[], vec![])
    }

    fn conv(&self, c: Conv) -> Node {
        let attributes = vec![
            Attribute::ints("kernel_shape", &[c.kernel; 2]),
            Attribute::ints("strides", &[c.stride; 2]),
            Attribute::ints("pads", &[c.padding; 4]),
            Attribute::int("group", c.groups),
        ];
        self.with("Conv", weights(c.bias), attributes)
    }

    fn norm(&self) -> Node {
        let params = ["weight", "bias", "running_mean", "running_var"];
        let epsilon = Attribute::float("epsilon", BATCH_NORM_EPS);
        self.with("BatchNormalization", &params, vec![epsilon])
    }

    fn max_pool(&self, p: Pool) -> Node {
        let attributes = vec![
            Attribute::ints("kernel_shape", &[p.kernel; 2]),
            Attribute::ints("strides", &[p.stride; 2]),
            Attribute::ints("pads", &[p.padding; 4]),
        ];
        self.with("MaxPool", &[], attributes)
    }

    fn silu(&self) -> Vec<Node> {
        let sigmoid = format!("{}.sigmoid", self.name);
        let first = Step { name: &sigmoid, to: &sigmoid, ..*self }.plain("Sigmoid");
        vec![first, Step { from: &[self.from[0], &sigmoid], ..*self }.plain("Mul")]
    }

    /// The matrices are those of [`average::tensors`].
    fn average(&self) -> Vec<Node> {
        let (rows, columns) = (average::rows(self.name), average::columns(self.name));
        let high = format!("{}.high", self.name);
        let left = Step { name: &high, from: &[&rows, self.from[0]], to: &high };
        let right = Step { from: &[&high, &columns], ..*self };
        vec![left.plain("MatMul"), right.plain("MatMul")]
    }

    fn linear(&self, sizes: Linear) -> Vec<Node> {
        let flat = format!("{}.flatten", self.name);
        let first = Step { name: &flat, to: &flat, ..*self }.plain("Flatten");
        let transposed = vec![Attribute::int("transB", 1)];
        let product = Step { from: &[&flat], ..*self };
        vec![first, product.with("Gemm", weights(sizes.bias), transposed)]
    }
}

/// The parameters of a convolution or linear layer.
fn weights(bias: bool) -> &'static [&'static str] {
    if bias { &["weight", "bias"] } else { &["weight"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operators of a network, from its input on, as `kind(inputs) -> output`.
    fn printed(spec: &str) -> Vec<String> {
        let graph = Graph::build(spec, 10, 32).expect("in the zoo");
        let line =
            |n: &Node| format!("{}({}) -> {}", n.op_type, n.input.join(", "), n.output.join(", "));
        nodes(&graph).iter().map(line).collect()
    }

    #[test]
    fn operators_read_what_the_graph_says() {
        let check = |spec: &str, expected: &str| {
            let found = printed(spec);
            assert!(found.iter().any(|l| l == expected), "{found:#?} lacks {expected}");
        };
        check("resnet18", "Conv(images, conv1.weight) -> conv1");
        check("resnet18", "Gemm(linear.flatten, linear.weight, linear.bias) -> logits");
        check("vgg16", "MatMul(avgpool.rows, features.30) -> avgpool.high");
        check("vgg16", "MatMul(avgpool.high, avgpool.columns) -> avgpool");
        // Dropout is gone: the layer behind it reads what it read.
        check("vgg16", "Flatten(classifier.1) -> classifier.3.flatten");
        check("efficientnet-b0", "Sigmoid(features.0.1) -> features.0.2.sigmoid");
        check("efficientnet-b0", "Mul(features.0.1, features.0.2.sigmoid) -> features.0.2");
        // So is stochastic depth.
        check(
            "efficientnet-b0",
            "Add(features.6.3.block.3.1, features.6.2.add) -> features.6.3.add",
        );
    }
}
