//! ResNet-18 (He et al. 2016) in its usual form for 32x32 images: `conv1`, `layer1..4`, `linear`.

use artifact::Result;

use super::{Entry, Renamed, Start};
use crate::{Graph, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "resnet18",
    about: "residual network of 18 layers for 32x32 images (3x3 stem, no max-pool)",
    side: 32,
    start: Start::Modules,
    torchvision: Some(&[
        Renamed { own: "shortcut", other: "downsample" },
        Renamed { own: "linear", other: "fc" },
    ]),
    build,
};

/// Output channels and first stride of each group of two blocks.
const GROUPS: [(usize, usize); 4] = [(64, 1), (128, 2), (256, 2), (512, 2)];

fn build(graph: &mut Graph) -> Result<()> {
    let stem = graph.spec().scaled(64);
    let mut x = graph.conv_norm_relu(["conv1", "bn1", "relu"], 0, (stem, 3, 1))?;
    for (group, (channels, stride)) in (1..).zip(GROUPS) {
        let channels = graph.spec().scaled(channels);
        x = block(graph, &format!("layer{group}.0"), x, (channels, stride))?;
        x = block(graph, &format!("layer{group}.1"), x, (channels, 1))?;
    }
    graph.classify("linear", x).map(drop)
}

/// Two 3x3 convolutions added to the input, or to its 1x1 projection where the shape changes.
fn block(
    graph: &mut Graph,
    name: &str,
    x: usize,
    (channels, stride): (usize, usize),
) -> Result<usize> {
    let at = |part: &str| format!("{name}.{part}");
    let first = (channels, 3, stride);
    let y = graph.conv_norm_relu([&at("conv1"), &at("bn1"), &at("relu1")], x, first)?;
    let y = graph.conv_norm((&at("conv2"), &at("bn2")), y, (channels, 3, 1))?;
    let same = stride == 1 && graph.nodes()[x].shape.c == channels;
    let skip = if same {
        x
    } else {
        let names = (&*at("shortcut.0"), &*at("shortcut.1"));
        graph.conv_norm(names, x, (channels, 1, stride))?
    };
    let sum = graph.push(&at("add"), Op::Add, &[y, skip])?;
    graph.push(&at("relu2"), Op::Relu, &[sum])
}
