//! EfficientNet-B0 (Tan and Le 2019), named as torchvision's: `features.0..8`, `classifier.1`.
//!
//! A block expands its channels, convolves each by itself, weighs them by what their means say
//! (squeeze and excitation), and projects back.

use artifact::Result;

use super::{Entry, Maker, Square};
use crate::op::{Dropout, StochasticDepth};
use crate::spec::in_eights;
use crate::{Activation, Conv, Init, LinearInit, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "efficientnet-b0",
    about: "torchvision's EfficientNet-B0: depthwise convolutions, squeeze and excitation",
    side: 224,
    init: Init::FanOut(LinearInit::ByOutputs),
    torchvision: Some(&[]),
    build,
};

/// Blocks of one width.
struct Stage {
    expand: usize,
    kernel: usize,
    stride: usize,
    channels: usize,
    blocks: usize,
}

const fn stage(
    expand: usize,
    kernel: usize,
    stride: usize,
    channels: usize,
    blocks: usize,
) -> Stage {
    Stage { expand, kernel, stride, channels, blocks }
}

const STEM: usize = 32;
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 16, 1),
    stage(6, 3, 2, 24, 2),
    stage(6, 5, 2, 40, 2),
    stage(6, 3, 2, 80, 3),
    stage(6, 5, 1, 112, 3),
    stage(6, 5, 2, 192, 4),
    stage(6, 3, 1, 320, 1),
];
/// Probability of skipping a block, rising linearly from 0 towards this.
const SKIP: f64 = 0.2;
const DROPOUT: f64 = 0.2;

fn build(net: &mut Maker) -> Result<()> {
    let stem = Square { outputs: net.spec.in_eights(STEM), kernel: 3, stride: 2 };
    let mut x = unit(net, "features.0", 0, net.square(0, stem))?;
    let total: usize = STAGES.iter().map(|s| s.blocks).sum();
    let mut done = 0_usize;
    for (i, s) in STAGES.iter().enumerate() {
        for block in 0..s.blocks {
            let stride = if block == 0 { s.stride } else { 1 };
            let block_of = Block {
                expand: s.expand,
                depthwise: Square {
                    outputs: net.spec.in_eights(s.channels),
                    kernel: s.kernel,
                    stride,
                },
                skip: SKIP * done as f64 / total as f64,
            };
            x = mobile(net, &format!("features.{}.{block}", i + 1), x, &block_of)?;
            done += 1;
        }
    }
    let last = Square { outputs: 4 * net.channels(x), kernel: 1, stride: 1 };
    x = unit(net, "features.8", x, net.square(x, last))?;
    x = net.average("avgpool", x)?;
    x = net.push("classifier.0", Op::Dropout(Dropout { probability: DROPOUT }), &[x])?;
    net.linear("classifier.1", x, net.classes).map(drop)
}

/// One block.
struct Block {
    /// How many times as many channels the depthwise convolution has.
    expand: usize,
    /// Kernel and stride of the depthwise convolution, and the block's output channels.
    depthwise: Square,
    /// Probability of skipping the block in training.
    skip: f64,
}

/// A convolution, its norm and activation: `name.0`, `.1`, `.2`.
fn unit(net: &mut Maker, name: &str, x: usize, conv: Conv) -> Result<usize> {
    let y = net.push(&format!("{name}.0"), Op::Conv(conv), &[x])?;
    let y = net.batch_norm(&format!("{name}.1"), y)?;
    net.push(&format!("{name}.2"), Op::Activation(Activation::Silu), &[y])
}

/// A block: expansion (where there is one), depthwise convolution, squeeze and excitation,
/// projection, and the sum with its input where the shapes are equal.
fn mobile(net: &mut Maker, name: &str, x: usize, block: &Block) -> Result<usize> {
    let (inputs, Square { outputs, stride, .. }) = (net.channels(x), block.depthwise);
    let wide = in_eights((inputs * block.expand) as f64);
    let pointwise = |outputs| Square { outputs, kernel: 1, stride: 1 };
    let (mut y, mut part) = (x, 0);
    if wide != inputs {
        y = unit(net, &format!("{name}.block.0"), y, net.square(y, pointwise(wide)))?;
        part = 1;
    }
    let each = net.square(y, Square { outputs: wide, ..block.depthwise });
    y = unit(net, &format!("{name}.block.{part}"), y, Conv { groups: wide, ..each })?;
    y = excite(net, &format!("{name}.block.{}", part + 1), y, (inputs / 4).max(1))?;
    let at = |of: usize| format!("{name}.block.{}.{of}", part + 2);
    y = net.conv_norm([&at(0), &at(1)], y, pointwise(outputs))?;
    if stride != 1 || outputs != inputs {
        return Ok(y);
    }
    let skip = StochasticDepth { probability: block.skip };
    y = net.push(&format!("{name}.stochastic_depth"), Op::StochasticDepth(skip), &[y])?;
    net.push(&format!("{name}.add"), Op::Add, &[y, x])
}

/// Squeeze and excitation (Hu et al. 2017): each channel times a value that follows from the means
/// of all, through `squeezed` channels.
fn excite(net: &mut Maker, name: &str, x: usize, squeezed: usize) -> Result<usize> {
    let at = |part: &str| format!("{name}.{part}");
    let to = |outputs| Square { outputs, kernel: 1, stride: 1 };
    let biased = |conv: Conv| Op::Conv(Conv { bias: true, ..conv });
    let channels = net.channels(x);
    let mut y = net.average(&at("avgpool"), x)?;
    y = net.push(&at("fc1"), biased(net.square(y, to(squeezed))), &[y])?;
    y = net.push(&at("activation"), Op::Activation(Activation::Silu), &[y])?;
    y = net.push(&at("fc2"), biased(net.square(y, to(channels))), &[y])?;
    y = net.push(&at("scale_activation"), Op::Activation(Activation::Sigmoid), &[y])?;
    net.push(&at("scale"), Op::Multiply, &[x, y])
}
