//! Four stages of two convolutions, a residual block and a max-pool: `backbone.conv0..7`,
//! `backbone.residual_block0..3`, `classifier`.

use artifact::Result;

use super::{Entry, Start};
use crate::{Graph, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "resnet-like",
    about: "8 convolutions and 4 residual blocks in turn, batch norm, linear head",
    side: 32,
    start: Start::Modules,
    torchvision: None,
    build,
};

/// Output channels of the two convolutions of each stage.
const STAGES: [[usize; 2]; 4] = [[64, 128], [256, 256], [512, 512], [512, 512]];

fn build(graph: &mut Graph) -> Result<()> {
    let mut x = 0;
    for (stage, channels) in STAGES.into_iter().enumerate() {
        for (i, channels) in (2 * stage..).zip(channels) {
            let names = ["conv", "bn", "relu"].map(|part| format!("backbone.{part}{i}"));
            let sizes = (graph.spec().scaled(channels), 3, 1);
            x = graph.conv_norm_relu(names.each_ref().map(String::as_str), x, sizes)?;
        }
        x = residual(graph, &format!("backbone.residual_block{stage}"), x)?;
        x = graph.pool(&format!("backbone.pool{stage}"), x)?;
    }
    graph.classify("classifier", x).map(drop)
}

/// Two convolutions as wide as their input, added to it.
fn residual(graph: &mut Graph, name: &str, x: usize) -> Result<usize> {
    let at = |part: &str| format!("{name}.{part}");
    let sizes = (graph.nodes()[x].shape.c, 3, 1);
    let y = graph.conv_norm_relu([&at("conv1"), &at("bn1"), &at("relu1")], x, sizes)?;
    let y = graph.conv_norm((&at("conv2"), &at("bn2")), y, sizes)?;
    let sum = graph.push(&at("add"), Op::Add, &[y, x])?;
    graph.push(&at("relu2"), Op::Relu, &[sum])
}
