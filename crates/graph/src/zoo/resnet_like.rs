//! Four stages of two convolutions, a residual block and a max-pool: `backbone.conv0..7`,
//! `backbone.residual_block0..3`, `classifier`.

use artifact::Result;

use super::{Entry, Maker, Square};
use crate::{Init, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "resnet-like",
    about: "8 convolutions and 4 residual blocks in turn, batch norm, linear head",
    side: 32,
    init: Init::Modules,
    torchvision: None,
    build,
};

/// Output channels of the two convolutions of each stage.
const STAGES: [[usize; 2]; 4] = [[64, 128], [256, 256], [512, 512], [512, 512]];

fn build(net: &mut Maker) -> Result<()> {
    let mut x = 0;
    for (stage, channels) in STAGES.into_iter().enumerate() {
        for (i, channels) in (2 * stage..).zip(channels) {
            let names = ["conv", "bn", "relu"].map(|part| format!("backbone.{part}{i}"));
            let sizes = Square { outputs: net.spec.scaled(channels), kernel: 3, stride: 1 };
            x = net.conv_norm_relu(names.each_ref().map(String::as_str), x, sizes)?;
        }
        x = residual(net, &format!("backbone.residual_block{stage}"), x)?;
        x = net.max_pool(&format!("backbone.pool{stage}"), x, 2)?;
    }
    net.classify("classifier", x).map(drop)
}

/// Two convolutions as wide as their input, added to it.
fn residual(net: &mut Maker, name: &str, x: usize) -> Result<usize> {
    let at = |part: &str| format!("{name}.{part}");
    let sizes = Square { outputs: net.channels(x), kernel: 3, stride: 1 };
    let y = net.conv_norm_relu([&at("conv1"), &at("bn1"), &at("relu1")], x, sizes)?;
    let y = net.conv_norm([&at("conv2"), &at("bn2")], y, sizes)?;
    let sum = net.push(&at("add"), Op::Add, &[y, x])?;
    net.relu(&at("relu2"), sum)
}
