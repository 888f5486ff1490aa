//! The graph: its constructor [`Graph::build`], and `push`, the one way to a node.

use std::fmt::{self, Write as _};

use artifact::manifest::Network;
use artifact::{Error, Result, digest};

use crate::{Conv, Linear, Node, Op, Param, Pool, Shape, Spec, params, zoo};

/// The largest side of the input: with it no product of sizes overflows 64 bits.
const MOST_SIDE: usize = 1 << 20;

/// A network: nodes in topological order, the first of which is the input and the last the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    spec: Spec,
    classes: usize,
    nodes: Vec<Node>,
    params: Vec<Param>,
}

impl Graph {
    /// Builds the network that `spec` (such as `resnet18@0.25`) names, for RGB images of
    /// `side` x `side` pixels and `classes` classes.
    pub fn build(spec: &str, classes: usize, side: usize) -> Result<Self> {
        let spec = Spec::parse(spec)?;
        if classes == 0 || !(1..=MOST_SIDE).contains(&side) {
            return Err(Error::Config(format!(
                "{classes} classes, side {side}: expected 1 class or more and 1 to {MOST_SIDE} pixels"
            )));
        }
        let input = Node {
            name: "input".into(),
            op: Op::Input,
            inputs: vec![],
            shape: Shape::new(3, side, side),
        };
        let mut graph = Self { spec, classes, nodes: vec![input], params: vec![] };
        (zoo::entry(&graph.spec.name).build)(&mut graph)?;
        graph.params = params::table(&graph.nodes);
        Ok(graph)
    }

    /// Builds the network of a manifest and checks that it is still the same one.
    pub fn of(network: &Network) -> Result<Self> {
        let graph = Self::build(&network.spec, network.classes, network.side)?;
        if graph.digest() == network.digest {
            return Ok(graph);
        }
        Err(Error::Integrity(format!(
            "network {}: its graph has digest {}, the manifest says {}; it was made by a version \
             that defines the network differently",
            network.spec,
            graph.digest(),
            network.digest
        )))
    }

    /// What a manifest says of this network; a graph does not know the names of its classes.
    pub fn network(&self) -> Network {
        Network {
            spec: self.spec.to_string(),
            classes: self.classes,
            side: self.side(),
            digest: self.digest(),
            class_names: vec![],
        }
    }

    /// Adds a node that reads the nodes `inputs` and returns its index.
    pub(crate) fn push(&mut self, name: &str, op: Op, inputs: &[usize]) -> Result<usize> {
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.nodes[i].shape).collect();
        let shape = op.shape(name, &shapes)?;
        if self.nodes.iter().any(|n| n.name == name) {
            return Err(Error::Config(format!("node {name}: the name is taken")));
        }
        self.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), shape });
        Ok(self.nodes.len() - 1)
    }

    /// A square convolution of node `x`, without bias, of one group, with "same" padding.
    pub(crate) fn square(
        &self,
        x: usize,
        (outputs, kernel, stride): (usize, usize, usize),
    ) -> Conv {
        let (inputs, padding) = (self.nodes[x].shape.c, kernel / 2);
        Conv { inputs, outputs, kernel, stride, padding, groups: 1, bias: false }
    }

    /// Adds the convolution [`Graph::square`] and the norm behind it.
    pub(crate) fn conv_norm(
        &mut self,
        (conv, norm): (&str, &str),
        x: usize,
        sizes: (usize, usize, usize),
    ) -> Result<usize> {
        let y = self.push(conv, Op::Conv(self.square(x, sizes)), &[x])?;
        self.push(norm, Op::BatchNorm, &[y])
    }

    /// Adds [`Graph::conv_norm`] and an activation; `names` are those of the three.
    pub(crate) fn conv_norm_relu(
        &mut self,
        names: [&str; 3],
        x: usize,
        sizes: (usize, usize, usize),
    ) -> Result<usize> {
        let y = self.conv_norm((names[0], names[1]), x, sizes)?;
        self.push(names[2], Op::Relu, &[y])
    }

    /// Adds a max-pooling of 2 x 2 windows, reading node `x`.
    pub(crate) fn pool(&mut self, name: &str, x: usize) -> Result<usize> {
        self.push(name, Op::MaxPool(Pool { kernel: 2, stride: 2, padding: 0 }), &[x])
    }

    /// Adds a global average and the linear classifier `name`, reading node `x`.
    pub(crate) fn classify(&mut self, name: &str, x: usize) -> Result<usize> {
        let average = self.push("average", Op::Average(1), &[x])?;
        self.linear(name, average, self.classes)
    }

    /// Adds a linear layer with bias of all values of node `x`.
    pub(crate) fn linear(&mut self, name: &str, x: usize, outputs: usize) -> Result<usize> {
        let inputs = self.nodes[x].shape.count();
        self.push(name, Op::Linear(Linear { inputs, outputs, bias: true }), &[x])
    }

    /// The nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every parameter and norm statistic, in the order of nodes.
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The weights that pruning may touch: those of convolutions and linear layers.
    pub fn prunable(&self) -> impl Iterator<Item = &Param> {
        self.params.iter().filter(|p| p.prunable())
    }

    /// The parameter `name`.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|p| p.name == name)
    }

    /// What torchvision calls the parameter `name` of this network; None where it does not have the
    /// network.
    pub fn torchvision(&self, name: &str) -> Option<String> {
        let renamed = zoo::entry(&self.spec.name).torchvision?;
        let other = |part| renamed.iter().find(|r| r.own == part).map_or(part, |r| r.other);
        Some(name.split('.').map(other).collect::<Vec<_>>().join("."))
    }

    /// The parameter table as `(name, shape)`.
    pub fn table(&self) -> Vec<(&str, &[usize])> {
        self.params.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect()
    }

    /// Name and width.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Height and width of the input in pixels.
    pub fn side(&self) -> usize {
        self.nodes[0].shape.h
    }

    /// Trainable parameters (norm statistics are none).
    pub fn parameters(&self) -> u64 {
        self.params.iter().filter(|p| p.trainable()).map(|p| p.count() as u64).sum()
    }

    /// SHA-256 of the printed graph.
    pub fn digest(&self) -> String {
        digest::of_bytes(self.to_string().as_bytes())
    }
}

/// One line a node: name, operation with its sizes, inputs, output shape.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for node in &self.nodes {
            let mut inputs = String::new();
            for &i in &node.inputs {
                write!(inputs, " {}", self.nodes[i].name)?;
            }
            writeln!(f, "{} = {:?}{inputs} -> {}", node.name, node.op, node.shape)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> Graph {
        Graph::build("vgg-lab@0.125", 10, 32).expect("in the zoo")
    }

    #[test]
    fn ill_shaped_nodes_are_refused() {
        let check = |op: Op, inputs: &[usize], expected: &str| {
            let error = tiny().push("x", op, inputs).expect_err("ill-shaped").to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        };
        let conv = Conv {
            inputs: 4,
            outputs: 1,
            kernel: 3,
            stride: 1,
            padding: 1,
            groups: 1,
            bias: false,
        };
        check(Op::Conv(conv), &[0], "3 input channels; expected 4");
        check(Op::Conv(Conv { inputs: 3, kernel: 40, ..conv }), &[0], "do not fit 3x32x32");
        check(Op::Conv(Conv { inputs: 3, stride: 0, ..conv }), &[0], "do not fit");
        check(Op::Conv(Conv { inputs: 3, groups: 2, ..conv }), &[0], "2 groups do not divide 3");
        check(Op::Conv(Conv { inputs: 3, groups: 0, ..conv }), &[0], "0 groups");
        check(Op::Average(0), &[0], "over no windows");
        check(Op::Scale, &[0, 1], "expected a value a channel");
        check(Op::Dropout(1.0), &[0], "probability 1; expected");
        check(Op::Add, &[0, 1], "adds 3x32x32 and 8x32x32");
        check(Op::Add, &[0], "1 inputs; expected 2");
        check(Op::Linear(Linear { inputs: 5, outputs: 2, bias: true }), &[0], "expected 5");
        check(Op::MaxPool(Pool { kernel: 2, stride: 2, padding: 2 }), &[0], "over half");
        let error = tiny().push("backbone.conv0", Op::Relu, &[0]).expect_err("taken").to_string();
        assert!(error.contains("the name is taken"), "{error}");
    }

    #[test]
    fn a_manifest_of_another_network_is_refused() {
        let mut network = tiny().network();
        assert_eq!(Graph::of(&network).expect("the same"), tiny());
        network.digest = "0".into();
        assert_eq!(Graph::of(&network).expect_err("another").exit_code(), 5);
    }
}
