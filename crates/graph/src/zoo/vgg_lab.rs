//! The VGG of a lab course: `backbone.conv0..7`, `backbone.bn0..7`, `classifier`.

use artifact::Result;

use super::{Entry, Start};
use crate::Graph;

pub(super) const ENTRY: Entry = Entry {
    name: "vgg-lab",
    about: "8 convolutions in a row, batch norm, 4 max-pools, linear head",
    side: 32,
    start: Start::Modules,
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

fn build(graph: &mut Graph) -> Result<()> {
    let (mut x, mut pools) = (0, 0);
    for (i, (channels, pooled)) in LAYERS.into_iter().enumerate() {
        let channels = graph.spec().scaled(channels);
        let names = ["conv", "bn", "relu"].map(|part| format!("backbone.{part}{i}"));
        x = graph.conv_norm_relu(names.each_ref().map(String::as_str), x, (channels, 3, 1))?;
        if pooled {
            x = graph.pool(&format!("backbone.pool{pools}"), x)?;
            pools += 1;
        }
    }
    graph.classify("classifier", x).map(drop)
}
