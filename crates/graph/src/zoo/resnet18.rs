//! ResNet-18 (He et al. 2016) in its usual form for 32x32 images: `conv1`, `layer1..4`, `linear`.

use artifact::Result;

use super::{Entry, Maker, Renamed, Square};
use crate::{Init, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "resnet18",
    about: "residual network of 18 layers for 32x32 images (3x3 stem, no max-pool)",
    side: 32,
    init: Init::Modules,
    torchvision: Some(&[
        Renamed { own: "shortcut", other: "downsample" },
        Renamed { own: "linear", other: "fc" },
    ]),
    build,
};

/// Output channels and first stride of each group of two blocks.
const GROUPS: [(usize, usize); 4] = [(64, 1), (128, 2), (256, 2), (512, 2)];

fn build(net: &mut Maker) -> Result<()> {
    let stem = Square { outputs: net.spec.scaled(64), kernel: 3, stride: 1 };
    let mut x = net.conv_norm_relu(["conv1", "bn1", "relu"], 0, stem)?;
    for (group, (channels, stride)) in (1..).zip(GROUPS) {
        let first = Square { outputs: net.spec.scaled(channels), kernel: 3, stride };
        x = block(net, &format!("layer{group}.0"), x, first)?;
        x = block(net, &format!("layer{group}.1"), x, Square { stride: 1, ..first })?;
    }
    net.classify("linear", x).map(drop)
}

/// Two 3x3 convolutions added to the input, or to its 1x1 projection where the shape changes.
fn block(net: &mut Maker, name: &str, x: usize, first: Square) -> Result<usize> {
    let at = |part: &str| format!("{name}.{part}");
    let y = net.conv_norm_relu([&at("conv1"), &at("bn1"), &at("relu1")], x, first)?;
    let y = net.conv_norm([&at("conv2"), &at("bn2")], y, Square { stride: 1, ..first })?;
    let same = first.stride == 1 && net.channels(x) == first.outputs;
    let skip = if same {
        x
    } else {
        let names = [&*at("shortcut.0"), &*at("shortcut.1")];
        net.conv_norm(names, x, Square { kernel: 1, ..first })?
    };
    let sum = net.push(&at("add"), Op::Add, &[y, skip])?;
    net.relu(&at("relu2"), sum)
}
