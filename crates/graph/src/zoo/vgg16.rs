//! VGG-16 (Simonyan and Zisserman 2014) without batch norm, named as torchvision's: `features.0..28`,
//! `classifier.0`, `.3`, `.6`.

use artifact::Result;

use super::{Entry, Maker, Square};
use crate::op::{AdaptiveAverage, Dropout};
use crate::{Conv, Init, LinearInit, Op};
use geometry::Size;

pub(super) const ENTRY: Entry = Entry {
    name: "vgg16",
    about: "torchvision's VGG-16: 13 convolutions with bias, three linear layers",
    side: 32,
    init: Init::FanOut(LinearInit::Normal(0.01)),
    torchvision: Some(&[]),
    build,
};

/// Output channels and number of the convolutions before each max-pool.
const STAGES: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

fn build(net: &mut Maker) -> Result<()> {
    let (mut x, mut at) = (0, 0);
    let mut next = || {
        at += 1;
        format!("features.{}", at - 1)
    };
    for (channels, convolutions) in STAGES {
        for _ in 0..convolutions {
            let sizes = Square { outputs: net.spec.scaled(channels), kernel: 3, stride: 1 };
            let conv = Conv { bias: true, ..net.square(x, sizes) };
            x = net.push(&next(), Op::Conv(conv), &[x])?;
            x = net.relu(&next(), x)?;
        }
        x = net.max_pool(&next(), x, 2)?;
    }
    let grid = Size::square(7);
    x = net.push("avgpool", Op::AdaptiveAverage(AdaptiveAverage { grid }), &[x])?;
    for at in [0, 3] {
        let name = |offset: usize| format!("classifier.{}", at + offset);
        x = net.linear(&name(0), x, net.spec.scaled(4096))?;
        x = net.relu(&name(1), x)?;
        x = net.push(&name(2), Op::Dropout(Dropout { probability: 0.5 }), &[x])?;
    }
    net.linear("classifier.6", x, net.classes).map(drop)
}
