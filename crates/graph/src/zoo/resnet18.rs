//! ResNet-18 (He et al. 2016) in its usual form for 32x32 images: `conv1`, `layer1..4`, `linear`.

use artifact::Result;

use crate::{Graph, Op};

/// Output channels and first stride of each group of two blocks.
const GROUPS: [(usize, usize); 4] = [(64, 1), (128, 2), (256, 2), (512, 2)];

pub(super) fn build(graph: &mut Graph) -> Result<()> {
    let stem = graph.spec().scaled(64);
    let mut x = conv_norm(graph, ("conv1", "bn1"), 0, (stem, 3, 1))?;
    x = graph.push("relu", Op::Relu, &[x])?;
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
    let y = conv_norm(graph, (&at("conv1"), &at("bn1")), x, (channels, 3, stride))?;
    let y = graph.push(&at("relu1"), Op::Relu, &[y])?;
    let y = conv_norm(graph, (&at("conv2"), &at("bn2")), y, (channels, 3, 1))?;
    let same = stride == 1 && graph.nodes()[x].shape.c == channels;
    let skip = if same {
        x
    } else {
        let names = (&*at("shortcut.0"), &*at("shortcut.1"));
        conv_norm(graph, names, x, (channels, 1, stride))?
    };
    let sum = graph.push(&at("add"), Op::Add, &[y, skip])?;
    graph.push(&at("relu2"), Op::Relu, &[sum])
}

fn conv_norm(
    graph: &mut Graph,
    (conv, norm): (&str, &str),
    x: usize,
    sizes: (usize, usize, usize),
) -> Result<usize> {
    let y = graph.conv(conv, x, sizes)?;
    graph.push(norm, Op::BatchNorm, &[y])
}
