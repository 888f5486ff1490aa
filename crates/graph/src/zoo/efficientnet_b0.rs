//! EfficientNet-B0 (Tan and Le 2019), named as torchvision's: `features.0..8`, `classifier.1`.
//!
//! A block expands its channels, convolves each by itself, weighs them by what their means say
//! (squeeze and excitation), and projects back.

use artifact::Result;

use super::{Entry, Linear, Start};
use crate::spec::in_eights;
use crate::{Conv, Graph, Op};

pub(super) const ENTRY: Entry = Entry {
    name: "efficientnet-b0",
    about: "torchvision's EfficientNet-B0: depthwise convolutions, squeeze and excitation",
    side: 224,
    start: Start::FanOut(Linear::ByOutputs),
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

fn build(graph: &mut Graph) -> Result<()> {
    let stem = (graph.spec().in_eights(STEM), 3, 2);
    let mut x = unit(graph, "features.0", 0, graph.square(0, stem))?;
    let total: usize = STAGES.iter().map(|s| s.blocks).sum();
    let mut done = 0_usize;
    for (i, s) in STAGES.iter().enumerate() {
        for block in 0..s.blocks {
            let stride = if block == 0 { s.stride } else { 1 };
            let skip = SKIP * done as f64 / total as f64;
            let shape = (stride, graph.spec().in_eights(s.channels), skip);
            x = mobile(graph, &format!("features.{}.{block}", i + 1), x, (s, shape))?;
            done += 1;
        }
    }
    let last = (4 * graph.nodes()[x].shape.c, 1, 1);
    x = unit(graph, "features.8", x, graph.square(x, last))?;
    x = graph.push("avgpool", Op::Average(1), &[x])?;
    x = graph.push("classifier.0", Op::Dropout(DROPOUT), &[x])?;
    graph.linear("classifier.1", x, graph.classes()).map(drop)
}

/// A convolution, its norm and activation: `name.0`, `.1`, `.2`.
fn unit(graph: &mut Graph, name: &str, x: usize, conv: Conv) -> Result<usize> {
    let y = graph.push(&format!("{name}.0"), Op::Conv(conv), &[x])?;
    let y = graph.push(&format!("{name}.1"), Op::BatchNorm, &[y])?;
    graph.push(&format!("{name}.2"), Op::Silu, &[y])
}

/// A block: expansion (where there is one), depthwise convolution, squeeze and excitation,
/// projection, and the sum with its input where the shapes are equal.
fn mobile(
    graph: &mut Graph,
    name: &str,
    x: usize,
    (stage, (stride, channels, skip)): (&Stage, (usize, usize, f64)),
) -> Result<usize> {
    let inputs = graph.nodes()[x].shape.c;
    let wide = in_eights((inputs * stage.expand) as f64);
    let (mut y, mut part) = (x, 0);
    if wide != inputs {
        y = unit(graph, &format!("{name}.block.0"), y, graph.square(y, (wide, 1, 1)))?;
        part = 1;
    }
    let depthwise = Conv { groups: wide, ..graph.square(y, (wide, stage.kernel, stride)) };
    y = unit(graph, &format!("{name}.block.{part}"), y, depthwise)?;
    y = excite(graph, &format!("{name}.block.{}", part + 1), y, (inputs / 4).max(1))?;
    let (conv, norm) = (part + 2, format!("{name}.block.{}.1", part + 2));
    y = graph.conv_norm((&format!("{name}.block.{conv}.0"), &norm), y, (channels, 1, 1))?;
    if stride != 1 || channels != inputs {
        return Ok(y);
    }
    y = graph.push(&format!("{name}.stochastic_depth"), Op::StochasticDepth(skip), &[y])?;
    graph.push(&format!("{name}.add"), Op::Add, &[y, x])
}

/// Squeeze and excitation (Hu et al. 2017): each channel times a value that follows from the means
/// of all, through `squeezed` channels.
fn excite(graph: &mut Graph, name: &str, x: usize, squeezed: usize) -> Result<usize> {
    let at = |part: &str| format!("{name}.{part}");
    let biased = |conv: Conv| Op::Conv(Conv { bias: true, ..conv });
    let channels = graph.nodes()[x].shape.c;
    let mut y = graph.push(&at("avgpool"), Op::Average(1), &[x])?;
    y = graph.push(&at("fc1"), biased(graph.square(y, (squeezed, 1, 1))), &[y])?;
    y = graph.push(&at("activation"), Op::Silu, &[y])?;
    y = graph.push(&at("fc2"), biased(graph.square(y, (channels, 1, 1))), &[y])?;
    y = graph.push(&at("scale_activation"), Op::Sigmoid, &[y])?;
    graph.push(&at("scale"), Op::Scale, &[x, y])
}
