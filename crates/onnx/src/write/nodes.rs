//! The walk over a graph: the ONNX operators of each of its nodes.

use std::collections::BTreeSet;

use geometry::{Sides, Window};
use graph::op::{AdaptiveAverage, AveragePool, BatchNorm, LayerNorm, MaxPool, Scale, Shift};
use graph::{Conv, Graph, Linear, Op, Shape};

use super::average;
use crate::proto::{Attribute, Node, Tensor};

/// The name of the network's input.
pub const INPUT: &str = "images";
/// The name of the network's output.
pub const OUTPUT: &str = "logits";

/// Operators in topological order, and the constants that they need beside the network's parameters.
pub struct Written {
    pub nodes: Vec<Node>,
    pub constants: Vec<Tensor>,
}

/// The operators of the whole network. A value is named as the node of the graph that makes it, but for
/// the input, the output and names that are taken.
pub fn nodes(graph: &Graph) -> Written {
    let mut writer = Writer::new(graph);
    for (index, node) in graph.nodes().iter().enumerate() {
        let value = writer.of_node(index, node.op);
        writer.values.push(value);
    }
    writer.finish()
}

/// What a node of the graph computes. Vectors are `batch x channels` where `flat`; all else is
/// `batch x channels x height x width`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value {
    pub name: String,
    pub flat: bool,
}

/// What was written so far.
pub(super) struct Writer<'a> {
    graph: &'a Graph,
    taken: BTreeSet<String>,
    values: Vec<Value>,
    written: Written,
    /// The node of the graph that is being written.
    pub at: usize,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Self {
        let names = graph.params().iter().map(|p| [p.name.clone(), frozen_name(&p.name)]);
        let taken = names.flatten().chain([INPUT, OUTPUT].map(str::to_owned)).collect();
        let written = Written { nodes: vec![], constants: vec![] };
        Self { graph, taken, values: vec![], written, at: 0 }
    }

    /// Names what the last node makes [`OUTPUT`].
    fn finish(mut self) -> Written {
        let last = self.values.last().expect("a graph has nodes").clone();
        if !last.flat {
            let node = operator("Flatten", "flatten", &[&last.name], OUTPUT);
            self.written.nodes.push(node);
            return self.written;
        }
        let all = self.written.nodes.iter_mut();
        let names = all.flat_map(|n| n.input.iter_mut().chain(&mut n.output));
        names.filter(|name| **name == last.name).for_each(|name| OUTPUT.clone_into(name));
        self.written
    }

    fn of_node(&mut self, index: usize, op: Op) -> Value {
        self.at = index;
        match op {
            Op::Input => Value { name: INPUT.to_owned(), flat: false },
            // They do nothing outside of training.
            Op::Dropout(_) | Op::StochasticDepth(_) => self.read(0),
            Op::Conv(sizes) => self.conv(sizes),
            Op::Linear(sizes) => self.linear(sizes),
            Op::BatchNorm(norm) => self.batch_norm(norm),
            Op::LayerNorm(norm) => self.layer_norm(norm),
            Op::Scale(Scale { frozen }) => self.with_parameter("Mul", frozen),
            Op::Shift(Shift { frozen }) => self.with_parameter("Add", frozen),
            Op::Activation(function) => self.activation(function),
            Op::MaxPool(pool) => self.max_pool(pool),
            Op::AveragePool(pool) => self.average_pool(pool),
            Op::AdaptiveAverage(AdaptiveAverage::GLOBAL) => {
                let x = self.map(0);
                self.last("GlobalAveragePool", &[&x], vec![])
            }
            Op::AdaptiveAverage(average) => self.adaptive(average),
            Op::Add => self.of_two("Add"),
            // A vector is channels x 1 x 1 and is broadcast.
            Op::Multiply => self.of_two("Mul"),
            Op::Concat => self.concat(),
            Op::Slice(part) => self.slice(part),
            Op::Shuffle(order) => self.shuffle(order),
            Op::PadChannels(pad) => self.pad_channels(pad),
            Op::PadBorders(pad) => self.pad_borders(pad),
            Op::Flatten => self.flattened(),
        }
    }

    /// The name of the node that is being written.
    pub fn name(&self) -> &'a str {
        &self.graph.nodes()[self.at].name
    }

    /// The shape of what it reads first.
    pub fn input(&self) -> Shape {
        self.graph.nodes()[self.graph.nodes()[self.at].inputs[0]].shape
    }

    /// The shape of what it makes.
    pub fn output(&self) -> Shape {
        self.graph.nodes()[self.at].shape
    }

    /// How many values it reads.
    pub fn inputs(&self) -> usize {
        self.graph.nodes()[self.at].inputs.len()
    }

    /// The value of its input `i`.
    pub fn read(&self, i: usize) -> Value {
        self.values[self.graph.nodes()[self.at].inputs[i]].clone()
    }

    /// A name that no other value and no constant has.
    fn unique(&mut self, name: String) -> String {
        let mut name = name;
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// The value of input `i` as a map of four dimensions.
    pub fn map(&mut self, i: usize) -> String {
        let Value { name, flat } = self.read(i);
        if !flat {
            return name;
        }
        let node = &self.graph.nodes()[self.graph.nodes()[self.at].inputs[i]];
        let sizes = self.integers("map.shape", &[0, node.shape.c as i64, 1, 1]);
        self.step("Reshape", "map", &[&name, &sizes], vec![])
    }

    /// A parameter of the node that is being written.
    pub fn parameter(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.name())
    }

    /// What a constant is called, which is no parameter's name.
    fn constant(&mut self, suffix: &str) -> String {
        self.unique(format!("{}/{suffix}", self.name()))
    }

    /// A constant list of whole numbers; its name.
    pub fn integers(&mut self, suffix: &str, values: &[i64]) -> String {
        let name = self.constant(suffix);
        self.written.constants.push(Tensor::integers(&name, values));
        name
    }

    /// A constant of real numbers; its name.
    pub fn floats(&mut self, suffix: &str, shape: &[usize], values: &[f32]) -> String {
        let name = self.constant(suffix);
        self.written.constants.push(Tensor::new(&name, shape, values));
        name
    }

    /// An operator on the way to the node's value; the name of what it makes.
    pub fn step(
        &mut self,
        kind: &str,
        suffix: &str,
        from: &[&str],
        with: Vec<Attribute>,
    ) -> String {
        let to = self.unique(self.parameter(suffix));
        let name = self.parameter(suffix);
        self.written.nodes.push(Node { attribute: with, ..operator(kind, &name, from, &to) });
        to
    }

    /// The operator that makes the node's value, of four dimensions.
    pub fn last(&mut self, kind: &str, from: &[&str], with: Vec<Attribute>) -> Value {
        let to = self.unique(self.name().to_owned());
        let node = operator(kind, self.name(), from, &to);
        self.written.nodes.push(Node { attribute: with, ..node });
        Value { name: to, flat: false }
    }

    /// An operator on one value of any number of dimensions.
    pub fn unary(&mut self, kind: &str, with: Vec<Attribute>) -> Value {
        let Value { name, flat } = self.read(0);
        Value { flat, ..self.last(kind, &[&name], with) }
    }

    fn of_two(&mut self, kind: &str) -> Value {
        let (a, b) = (self.read(0), self.read(1));
        if a.flat && b.flat {
            return Value { flat: true, ..self.last(kind, &[&a.name, &b.name], vec![]) };
        }
        let (a, b) = (self.map(0), self.map(1));
        self.last(kind, &[&a, &b], vec![])
    }

    /// An operator on maps and the one parameter of the node, which has its name; one that is not trained
    /// has a name that is no parameter's.
    fn with_parameter(&mut self, kind: &str, frozen: bool) -> Value {
        let (x, name) = (self.map(0), self.name());
        let parameter = if frozen { frozen_name(name) } else { name.to_owned() };
        self.last(kind, &[&x, &parameter], vec![])
    }

    fn conv(&mut self, c: Conv) -> Value {
        let mut with = windows(&c.window);
        with.push(Attribute::ints("dilations", &[c.window.dilation.h, c.window.dilation.w]));
        with.push(Attribute::int("group", c.groups));
        let (x, weight, bias) = (self.map(0), self.parameter("weight"), self.parameter("bias"));
        let from = [x.as_str(), &weight, &bias];
        self.last("Conv", if c.bias { &from } else { &from[..2] }, with)
    }

    fn linear(&mut self, sizes: Linear) -> Value {
        if !self.input().is_vector() {
            return self.linear_on_map(sizes);
        }
        let Value { name, flat } = self.read(0);
        let x = if flat { name } else { self.step("Flatten", "flatten", &[&name], vec![]) };
        let (weight, bias) = (self.parameter("weight"), self.parameter("bias"));
        let from = [x.as_str(), &weight, &bias];
        let from = if sizes.bias { &from } else { &from[..2] };
        let value = self.last("Gemm", from, vec![Attribute::int("transB", 1)]);
        Value { flat: true, ..value }
    }

    fn linear_on_map(&mut self, sizes: Linear) -> Value {
        let (x, weight) = (self.channels_last(), self.parameter("weight"));
        let swap = vec![Attribute::ints("perm", &[1, 0])];
        let weight = self.step("Transpose", "transposed", &[&weight], swap);
        let mut y = self.step("MatMul", "product", &[&x, &weight], vec![]);
        if sizes.bias {
            let bias = self.parameter("bias");
            y = self.step("Add", "sum", &[&y, &bias], vec![]);
        }
        self.channels_first(&y)
    }

    fn channels_last(&mut self) -> String {
        let x = self.map(0);
        self.step("Transpose", "last", &[&x], vec![Attribute::ints("perm", &[0, 2, 3, 1])])
    }

    fn channels_first(&mut self, x: &str) -> Value {
        self.last("Transpose", &[x], vec![Attribute::ints("perm", &[0, 3, 1, 2])])
    }

    /// Names of scale and shift of a norm: its parameters, or constants that do nothing.
    fn affine(&mut self, any: bool) -> [String; 2] {
        if any {
            return [self.parameter("weight"), self.parameter("bias")];
        }
        let c = self.output().c;
        [self.floats("ones", &[c], &vec![1.0; c]), self.floats("zeros", &[c], &vec![0.0; c])]
    }

    fn batch_norm(&mut self, norm: BatchNorm) -> Value {
        let [weight, bias] = self.affine(norm.affine);
        let (mean, var) = (self.parameter("running_mean"), self.parameter("running_var"));
        // ONNX's momentum is the weight of the old statistics.
        let momentum = (1.0 - f64::from(norm.momentum)) as f32;
        let with =
            vec![Attribute::float("epsilon", norm.eps), Attribute::float("momentum", momentum)];
        let x = self.map(0);
        self.last("BatchNormalization", &[&x, &weight, &bias, &mean, &var], with)
    }

    fn layer_norm(&mut self, norm: LayerNorm) -> Value {
        let x = self.channels_last();
        let [weight, bias] = self.affine(norm.affine);
        let with = vec![Attribute::integer("axis", -1), Attribute::float("epsilon", norm.eps)];
        let Value { name: y, .. } = self.last("LayerNormalization", &[&x, &weight, &bias], with);
        let order = vec![Attribute::ints("perm", &[0, 3, 1, 2])];
        Value { name: self.step("Transpose", "first", &[&y], order), flat: false }
    }

    fn max_pool(&mut self, p: MaxPool) -> Value {
        let mut with = windows(&p.window);
        with.push(Attribute::ints("dilations", &[p.window.dilation.h, p.window.dilation.w]));
        with.push(Attribute::int("ceil_mode", p.ceil.into()));
        let x = self.map(0);
        self.last("MaxPool", &[&x], with)
    }

    fn average_pool(&mut self, p: AveragePool) -> Value {
        let mut with = windows(&p.window);
        with.push(Attribute::int("ceil_mode", p.ceil.into()));
        with.push(Attribute::int("count_include_pad", p.count_padding.into()));
        let x = self.map(0);
        self.last("AveragePool", &[&x], with)
    }

    fn adaptive(&mut self, AdaptiveAverage { grid }: AdaptiveAverage) -> Value {
        let (x, shape) = (self.map(0), self.input());
        let rows = self.floats("rows", &[grid.h, shape.h], &average::rows(grid, shape));
        let columns = self.floats("columns", &[shape.w, grid.w], &average::columns(grid, shape));
        let high = self.step("MatMul", "high", &[&rows, &x], vec![]);
        self.last("MatMul", &[&high, &columns], vec![])
    }
}

/// What the parameter `name` is called where training leaves it as it is.
pub(super) fn frozen_name(name: &str) -> String {
    format!("{name}/constant")
}

fn operator(kind: &str, name: &str, from: &[&str], to: &str) -> Node {
    Node {
        input: from.iter().map(|&name| name.to_owned()).collect(),
        output: vec![to.to_owned()],
        name: name.to_owned(),
        op_type: kind.to_owned(),
        ..Node::default()
    }
}

fn windows(window: &Window) -> Vec<Attribute> {
    let Sides { top, left, bottom, right } = window.padding;
    vec![
        Attribute::ints("kernel_shape", &[window.kernel.h, window.kernel.w]),
        Attribute::ints("strides", &[window.stride.h, window.stride.w]),
        Attribute::ints("pads", &[top, left, bottom, right]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The operators of a network, from its input on, as `kind(inputs) -> output`.
    fn printed(spec: &str) -> Vec<String> {
        let graph = Graph::build(spec, 10, 32).expect("in the zoo");
        let line =
            |n: &Node| format!("{}({}) -> {}", n.op_type, n.input.join(", "), n.output.join(", "));
        nodes(&graph).nodes.iter().map(line).collect()
    }

    #[test]
    fn operators_read_what_the_graph_says() {
        let check = |spec: &str, expected: &str| {
            let found = printed(spec);
            assert!(found.iter().any(|l| l == expected), "{found:#?} lacks {expected}");
        };
        check("resnet18", "Conv(images, conv1.weight) -> conv1");
        check("resnet18", "Gemm(linear.flatten, linear.weight, linear.bias) -> logits");
        check("vgg16", "MatMul(avgpool/rows, features.30) -> avgpool.high");
        check("vgg16", "MatMul(avgpool.high, avgpool/columns) -> avgpool");
        // Dropout is gone: the layer behind it reads what it read.
        check(
            "vgg16",
            "Gemm(classifier.1, classifier.3.weight, classifier.3.bias) -> classifier.3",
        );
        check("efficientnet-b0", "Sigmoid(features.0.1) -> features.0.2.sigmoid");
        check("efficientnet-b0", "Mul(features.0.1, features.0.2.sigmoid) -> features.0.2");
        // So is stochastic depth.
        check(
            "efficientnet-b0",
            "Add(features.6.3.block.3.1, features.6.2.add) -> features.6.3.add",
        );
    }
}
