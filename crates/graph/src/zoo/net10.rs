//! Net10: wide convolutions with two residual pairs: `conv1..4`, `res1`, `res2`, `classifier.3`,
//! `classifier.4`.

use artifact::Result;

use super::{Entry, Maker, Square};
use crate::op::Dropout;
use crate::{Conv, Init, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "net10",
    about: "8 wide convolutions with bias and batch norm, 2 sums, two linear layers",
    side: 32,
    init: Init::Modules,
    torchvision: None,
    build,
};

fn build(net: &mut Maker) -> Result<()> {
    let mut x = block(net, "conv1", 0, 128)?;
    x = block(net, "conv2", x, 256)?;
    x = net.max_pool("conv2.3", x, 2)?;
    x = residual(net, "res1", x, 256)?;
    x = block(net, "conv3", x, 512)?;
    x = net.max_pool("conv3.3", x, 2)?;
    x = block(net, "conv4", x, 1024)?;
    x = net.max_pool("conv4.3", x, 2)?;
    x = residual(net, "res2", x, 1024)?;
    x = net.max_pool("classifier.0", x, 4)?;
    x = net.push("classifier.2", Op::Dropout(Dropout { probability: 0.2 }), &[x])?;
    x = net.linear("classifier.3", x, net.spec.scaled(512))?;
    net.linear("classifier.4", x, net.classes).map(drop)
}

/// A convolution with bias, its norm and activation.
fn block(net: &mut Maker, name: &str, x: usize, channels: usize) -> Result<usize> {
    let sizes = Square { outputs: net.spec.scaled(channels), kernel: 3, stride: 1 };
    let conv = Conv { bias: true, ..net.square(x, sizes) };
    let y = net.push(&format!("{name}.0"), Op::Conv(conv), &[x])?;
    let y = net.batch_norm(&format!("{name}.1"), y)?;
    net.relu(&format!("{name}.2"), y)
}

/// Two blocks, added to their input.
fn residual(net: &mut Maker, name: &str, x: usize, channels: usize) -> Result<usize> {
    let y = block(net, &format!("{name}.0"), x, channels)?;
    let y = block(net, &format!("{name}.1"), y, channels)?;
    net.push(&format!("{name}.add"), Op::Add, &[y, x])
}
