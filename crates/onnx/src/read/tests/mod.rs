//! Files as exporters and others write them.

mod bounds;
mod folds;
mod hostile;
mod layouts;
mod limits;
mod patterns;
mod rewrites;

use prost::Message as _;

use super::{Imported, Options, decode};
use crate::proto::{Attribute, Graph, Model, Node, Opset, Tensor, ValueInfo};

/// A network in the making, of images of 3 x 6 x 4.
struct Net {
    graph: Graph,
    opset: i64,
}

impl Net {
    fn new() -> Self {
        let graph = Graph {
            input: vec![ValueInfo::batch("x", &[3, 6, 4])],
            output: vec![ValueInfo::batch("y", &[2])],
            ..Graph::default()
        };
        Self { graph, opset: 17 }
    }

    /// An operator in one line: `KIND(INPUTS) -> OUTPUTS`.
    fn node(mut self, line: &str, attribute: Vec<Attribute>) -> Self {
        let (call, outputs) = line.split_once(" -> ").expect("outputs");
        let (kind, inputs) = call.trim_end_matches(')').split_once('(').expect("inputs");
        let names = |list: &str| match list {
            "" => vec![],
            list => list.split(", ").map(|n| n.trim_matches('-').to_owned()).collect(),
        };
        let (input, output) = (names(inputs), names(outputs));
        let name = format!("of_{}", output[0]);
        let node = Node { input, output, name, op_type: kind.into(), attribute, ..Node::default() };
        self.graph.node.push(node);
        self
    }

    /// Operators without attributes, one a line.
    fn nodes(self, lines: &str) -> Self {
        lines.lines().fold(self, |net, line| net.node(line.trim(), vec![]))
    }

    /// Real weights, all different.
    fn weight(mut self, name: &str, shape: &[usize]) -> Self {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| 0.5 + i as f32 / 64.0).collect();
        self.graph.initializer.push(Tensor::new(name, shape, &values));
        self
    }

    fn number(mut self, name: &str, value: f32) -> Self {
        self.graph.initializer.push(Tensor::new(name, &[], &[value]));
        self
    }

    fn whole(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(Tensor::integers(name, values));
        self
    }

    /// A global average and a linear layer behind the value `x`.
    fn classified(self, x: &str, channels: usize) -> Self {
        self.weight("fc.weight", &[2, channels])
            .weight("fc.bias", &[2])
            .node(&format!("GlobalAveragePool({x}) -> mean"), vec![])
            .node("Flatten(mean) -> vector", vec![])
            .node("Gemm(vector, fc.weight, fc.bias) -> y", vec![Attribute::int("transB", 1)])
    }

    fn bytes(&self) -> Vec<u8> {
        let opset = Opset { domain: None, version: self.opset };
        let graph = Some(self.graph.clone());
        Model { graph, opset_import: vec![opset], ..Model::default() }.encode_to_vec()
    }

    fn read(&self) -> artifact::Result<Imported> {
        decode(self.bytes(), "net.onnx", &Options { name: "net".into(), size: None })
    }

    /// Reads it and compares the lines between input and classifier.
    fn check(&self, expected: &[&str]) -> Imported {
        let found = self.read().unwrap_or_else(|e| panic!("{e}"));
        let text = found.graph.to_string();
        let ends = |l: &&str| {
            ["secateur-graph", "input =", "of_mean =", "fc ="].iter().all(|e| !l.starts_with(e))
        };
        assert_eq!(text.lines().filter(ends).collect::<Vec<_>>(), expected, "{text}");
        found
    }

    /// Refused with this exit code, and a text that has all of these.
    fn refused(&self, code: u8, expected: &[&str]) {
        refused(&self.bytes(), code, expected);
    }
}

fn refused(bytes: &[u8], code: u8, expected: &[&str]) {
    let error = decode(bytes.to_vec(), "net.onnx", &Options::default()).expect_err("refused");
    assert_eq!(error.exit_code(), code, "{error}");
    for part in ["net.onnx"].iter().chain(expected) {
        assert!(error.to_string().contains(part), "{error} lacks {part}");
    }
}
