//! The VGG of a lab course: `backbone.conv0..7`, `backbone.bn0..7`, `classifier`.

use artifact::Result;

use crate::{Graph, Op};

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

pub(super) fn build(graph: &mut Graph) -> Result<()> {
    let (mut x, mut pools) = (0, 0);
    for (i, (channels, pooled)) in LAYERS.into_iter().enumerate() {
        let channels = graph.spec().scaled(channels);
        x = graph.conv(&format!("backbone.conv{i}"), x, (channels, 3, 1))?;
        x = graph.push(&format!("backbone.bn{i}"), Op::BatchNorm, &[x])?;
        x = graph.push(&format!("backbone.relu{i}"), Op::Relu, &[x])?;
        if pooled {
            x = graph.pool(&format!("backbone.pool{pools}"), x)?;
            pools += 1;
        }
    }
    graph.classify("classifier", x).map(drop)
}
