//! The layer that gives the logits.

use artifact::{Error, Result};

use crate::op::{Channels, Conv, Linear};
use crate::{Builder, Graph, Op, Param};

impl Graph {
    /// The convolution or linear layer whose outputs become the logits one by one; None where the
    /// logits come from something else.
    pub fn head(&self) -> Option<usize> {
        let mut node = self.nodes().len() - 1;
        loop {
            let one = &self.nodes()[node];
            match (one.op, &one.inputs[..]) {
                (Op::Conv(_) | Op::Linear(_), _) => return Some(node),
                (Op::Flatten, &[x]) if self.nodes()[x].shape.is_vector() => node = x,
                (op, &[x]) if op.channels() == Channels::Own => node = x,
                _ => return None,
            }
        }
    }

    /// The parameters of the head, and of what stands between it and the logits.
    pub fn head_params(&self) -> impl Iterator<Item = &Param> {
        let head = self.head();
        self.params().iter().filter(move |p| head.is_some_and(|head| p.node >= head))
    }

    /// The same network with another number of classes.
    ///
    /// # Errors
    /// [`Error::Config`] where its logits are no layer's outputs.
    pub fn with_classes(&self, classes: usize) -> Result<Self> {
        let last = &self.nodes()[self.nodes().len() - 1];
        let head = self.head().ok_or_else(|| {
            Error::Config(format!(
                "network {}: its logits, node {} ({}), are not the outputs of a convolution or linear \
                 layer; another number of classes would need another network",
                self.name(),
                last.name,
                last.op.label()
            ))
        })?;
        let input = &self.nodes()[0];
        let mut builder = Builder::named(self.name(), &input.name, input.shape)?.init(self.init());
        for (i, node) in self.nodes().iter().enumerate().skip(1) {
            let op = match node.op {
                Op::Conv(conv) if i == head => Op::Conv(Conv { outputs: classes, ..conv }),
                Op::Linear(linear) if i == head => {
                    Op::Linear(Linear { outputs: classes, ..linear })
                }
                op => op,
            };
            builder.push(&node.name, op, &node.inputs)?;
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_what_gives_the_logits() {
        let check = |spec: &str, head: &str| {
            let graph = Graph::build(spec, 10, 32).expect("in the zoo");
            assert_eq!(graph.nodes()[graph.head().expect("a layer")].name, head);
            let other = graph.with_classes(7).expect("a layer");
            assert_eq!((other.classes(), other.nodes().len()), (7, graph.nodes().len()));
            assert_eq!(other.with_classes(10).expect("a layer"), graph);
        };
        check("resnet18@0.1", "linear");
        check("vgg16@0.05", "classifier.6");
    }

    #[test]
    fn poolings_may_follow_the_head_and_sums_may_not() {
        let text = "secateur-graph 1\nx = input channels=3 height=4 width=4\n\
                    c = conv(x) outputs=5 kernel=1\nr = relu(c)\na = adaptive-average(r)\n\
                    f = flatten(a)\n";
        let graph = Graph::parse(text, "squeeze", "test").expect("a graph");
        assert_eq!(graph.with_classes(2).expect("a convolution").classes(), 2);
        let names: Vec<&str> = graph.head_params().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["c.weight", "c.bias"]);
        let sum = text.replace("f = flatten(a)", "f = add(a, a)");
        let graph = Graph::parse(&sum, "sum", "test").expect("a graph");
        let error = graph.with_classes(2).expect_err("no layer").to_string();
        assert!(error.contains("node f (Add), are not the outputs"), "{error}");
    }
}
