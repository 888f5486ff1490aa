//! Networks of files without a graph's text: the name in the zoo, and the digest of what earlier
//! versions printed of the graph.

use std::fmt::Write as _;

use artifact::manifest::Network;
use artifact::{Error, Result, digest};

use crate::op::{Dropout, StochasticDepth};
use crate::{Activation, Graph, Op};

/// The network of the zoo, if it is still the one that `network` was written for.
pub(crate) fn build(network: &Network) -> Result<Graph> {
    let bad = |what: String| Error::Integrity(format!("network {}: {what}", network.spec));
    let side = network.side.ok_or_else(|| bad("neither a graph's text nor a side".into()))?;
    let graph = Graph::build(&network.spec, network.classes, side)?;
    let found = printed(&graph).map(|text| digest::of_bytes(text.as_bytes()));
    if found.as_ref() == Some(&network.digest) {
        return Ok(graph);
    }
    Err(bad(format!(
        "its graph has digest {}, the manifest says {}; it was made by a version that defines the \
         network differently",
        found.unwrap_or_default(),
        network.digest
    )))
}

/// The graph as earlier versions printed it; None where it has an operation that they had not.
fn printed(graph: &Graph) -> Option<String> {
    let mut text = String::new();
    // Flattening was part of what followed it.
    let read = |mut node: usize| {
        while graph.nodes()[node].op == Op::Flatten {
            node = graph.nodes()[node].inputs[0];
        }
        &graph.nodes()[node].name
    };
    for node in graph.nodes().iter().filter(|n| n.op != Op::Flatten) {
        let inputs: Vec<&str> = node.inputs.iter().map(|&i| read(i).as_str()).collect();
        let inputs = [vec![""], inputs].concat().join(" ");
        let op = operation(node.op)?;
        writeln!(text, "{} = {op}{inputs} -> {}", node.name, node.shape)
            .expect("writing to a String cannot fail");
    }
    Some(text)
}

fn operation(op: Op) -> Option<String> {
    Some(match op {
        Op::Input => "Input".into(),
        Op::Conv(v) => format!(
            "Conv(Conv {{ inputs: {}, outputs: {}, kernel: {}, stride: {}, padding: {}, groups: {}, \
             bias: {} }})",
            v.inputs,
            v.outputs,
            v.window.kernel.h,
            v.window.stride.h,
            v.window.padding.top,
            v.groups,
            v.bias
        ),
        Op::Linear(v) => format!(
            "Linear(Linear {{ inputs: {}, outputs: {}, bias: {} }})",
            v.inputs, v.outputs, v.bias
        ),
        Op::BatchNorm(_) => "BatchNorm".into(),
        Op::Activation(Activation::Relu) => "Relu".into(),
        Op::Activation(Activation::Silu) => "Silu".into(),
        Op::Activation(Activation::Sigmoid) => "Sigmoid".into(),
        Op::MaxPool(p) => format!(
            "MaxPool(Pool {{ kernel: {}, stride: {}, padding: {} }})",
            p.window.kernel.h, p.window.stride.h, p.window.padding.top
        ),
        Op::AdaptiveAverage(a) => format!("Average({})", a.grid.h),
        Op::Add => "Add".into(),
        Op::Multiply => "Scale".into(),
        Op::Dropout(Dropout { probability }) => format!("Dropout({probability:?})"),
        Op::StochasticDepth(StochasticDepth { probability }) => {
            format!("StochasticDepth({probability:?})")
        }
        Op::Activation(_)
        | Op::LayerNorm(_)
        | Op::Scale(_)
        | Op::Shift(_)
        | Op::AveragePool(_)
        | Op::Concat
        | Op::Slice(_)
        | Op::Shuffle(_)
        | Op::PadChannels(_)
        | Op::PadBorders(_)
        | Op::Flatten => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests that earlier versions wrote, at the usual side and ten classes.
    const DIGESTS: [(&str, usize, &str); 6] = [
        ("vgg-lab", 32, "3f0713c693d86e72f83fc443405cbb72b70b7e20f370632f820bcd1fc17b6c68"),
        ("resnet-like", 32, "24dadea80d3e5e78a40637b456e4269c30064a575e670723eaf4ec82c9d8a642"),
        ("resnet18@0.25", 32, "0fec499044573210f11e9e201da4bfd6f838b69f5218c42364433dd619dedf44"),
        ("net10", 32, "0d929f5a2a1ccd831b7537776df0a79233b5ebd9e117598cdc2d2266dbf47cd0"),
        ("vgg16", 64, "978d20fc17e4b9362dd02118c1e82e95f7e890cf196cd8500e45cfdb972dfdeb"),
        (
            "efficientnet-b0",
            224,
            "31e138bd06ffa4dae507dad00a8f6439c03e9b621f0b5f48c15e8596b48c0a28",
        ),
    ];

    #[test]
    fn networks_are_still_those_of_earlier_versions() {
        for (spec, side, digest) in DIGESTS {
            let network = Network {
                spec: spec.into(),
                classes: 10,
                side: Some(side),
                digest: digest.into(),
                class_names: vec![],
                normalisation: None,
                graph: None,
            };
            assert_eq!(build(&network).expect(spec).name(), spec);
            let other = Network { digest: "0".repeat(64), ..network };
            assert_eq!(build(&other).expect_err("another").exit_code(), 5);
        }
    }
}
