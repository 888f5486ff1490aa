//! The VGG of a lab course: `backbone.conv0..7`, `backbone.bn0..7`, `classifier`.

use artifact::Result;

use super::{Entry, Maker, Square};
use crate::Init;

pub(super) const ENTRY: Entry = Entry {
    name: "vgg-lab",
    about: "8 convolutions in a row, batch norm, 4 max-pools, linear head",
    side: 32,
    init: Init::Modules,
    torchvision: None,
    build,
};

/// Output channels of each convolution, and whether a max-pool follows it.
const LAYERS: [(usize, bool); 8] = [
    (64, false),
    (128, true),
    (256, false),
    (256, true),
    (512, false),
    (512, true),
    (512, false),
    (512, true),
];

fn build(net: &mut Maker) -> Result<()> {
    let (mut x, mut pools) = (0, 0);
    for (i, (channels, pooled)) in LAYERS.into_iter().enumerate() {
        let names = ["conv", "bn", "relu"].map(|part| format!("backbone.{part}{i}"));
        let sizes = Square { outputs: net.spec.scaled(channels), kernel: 3, stride: 1 };
        x = net.conv_norm_relu(names.each_ref().map(String::as_str), x, sizes)?;
        if pooled {
            x = net.max_pool(&format!("backbone.pool{pools}"), x, 2)?;
            pools += 1;
        }
    }
    net.classify("classifier", x).map(drop)
}
