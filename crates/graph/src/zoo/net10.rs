//! Net10: wide convolutions with two residual pairs: `conv1..4`, `res1`, `res2`, `classifier.3`,
//! `classifier.4`.

use artifact::Result;

use super::{Entry, Start};
use crate::{Conv, Graph, Op, Pool};

pub(super) const ENTRY: Entry = Entry {
    name: "net10",
    about: "8 wide convolutions with bias and batch norm, 2 sums, two linear layers",
    side: 32,
    start: Start::Modules,
    torchvision: None,
    build,
};

fn build(graph: &mut Graph) -> Result<()> {
    let mut x = block(graph, "conv1", 0, 128)?;
    x = block(graph, "conv2", x, 256)?;
    x = graph.pool("conv2.3", x)?;
    x = residual(graph, "res1", x, 256)?;
    x = block(graph, "conv3", x, 512)?;
    x = graph.pool("conv3.3", x)?;
    x = block(graph, "conv4", x, 1024)?;
    x = graph.pool("conv4.3", x)?;
    x = residual(graph, "res2", x, 1024)?;
    x = graph.push("classifier.0", Op::MaxPool(Pool { kernel: 4, stride: 4, padding: 0 }), &[x])?;
    x = graph.push("classifier.2", Op::Dropout(0.2), &[x])?;
    x = graph.linear("classifier.3", x, graph.spec().scaled(512))?;
    graph.linear("classifier.4", x, graph.classes()).map(drop)
}

/// A convolution with bias, its norm and activation.
fn block(graph: &mut Graph, name: &str, x: usize, channels: usize) -> Result<usize> {
    let sizes = (graph.spec().scaled(channels), 3, 1);
    let conv = Conv { bias: true, ..graph.square(x, sizes) };
    let y = graph.push(&format!("{name}.0"), Op::Conv(conv), &[x])?;
    let y = graph.push(&format!("{name}.1"), Op::BatchNorm, &[y])?;
    graph.push(&format!("{name}.2"), Op::Relu, &[y])
}

/// Two blocks, added to their input.
fn residual(graph: &mut Graph, name: &str, x: usize, channels: usize) -> Result<usize> {
    let y = block(graph, &format!("{name}.0"), x, channels)?;
    let y = block(graph, &format!("{name}.1"), y, channels)?;
    graph.push(&format!("{name}.add"), Op::Add, &[y, x])
}
