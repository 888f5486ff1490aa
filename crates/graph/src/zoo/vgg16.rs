//! VGG-16 (Simonyan and Zisserman 2014) without batch norm, named as torchvision's: `features.0..28`,
//! `classifier.0`, `.3`, `.6`.

use artifact::Result;

use super::{Entry, Linear, Start};
use crate::{Conv, Graph, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "vgg16",
    about: "torchvision's VGG-16: 13 convolutions with bias, three linear layers",
    side: 32,
    start: Start::FanOut(Linear::Normal(0.01)),
    torchvision: Some(&[]),
    build,
};

/// Output channels and number of the convolutions before each max-pool.
const STAGES: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

fn build(graph: &mut Graph) -> Result<()> {
    let (mut x, mut at) = (0, 0);
    let mut next = || {
        at += 1;
        format!("features.{}", at - 1)
    };
    for (channels, convolutions) in STAGES {
        for _ in 0..convolutions {
            let sizes = (graph.spec().scaled(channels), 3, 1);
            let conv = Conv { bias: true, ..graph.square(x, sizes) };
            x = graph.push(&next(), Op::Conv(conv), &[x])?;
            x = graph.push(&next(), Op::Relu, &[x])?;
        }
        x = graph.pool(&next(), x)?;
    }
    x = graph.push("avgpool", Op::Average(7), &[x])?;
    for at in [0, 3] {
        let name = |offset: usize| format!("classifier.{}", at + offset);
        x = graph.linear(&name(0), x, graph.spec().scaled(4096))?;
        x = graph.push(&name(1), Op::Relu, &[x])?;
        x = graph.push(&name(2), Op::Dropout(0.5), &[x])?;
    }
    graph.linear("classifier.6", x, graph.classes()).map(drop)
}
