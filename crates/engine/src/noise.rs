//! What dropout and stochastic depth multiply with.

use anyhow::Result;
use graph::{Node, Op};
use kernels::{LANES, Lanes};

use crate::{Device, Tensor};

/// What dropout and stochastic depth draw from: the same for the same two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    /// Seed of the run.
    pub seed: u64,
    /// Steps taken before this one.
    pub step: u64,
}

impl Noise {
    /// Zeros and `1 / (1 - p)` in the layout of [`plane`]: a vector for each plane of each block.
    pub(crate) fn factors(self, node: &Node, lanes: Lanes, device: &Device) -> Result<Tensor> {
        let p = match node.op {
            Op::Dropout(op) => op.probability,
            Op::StochasticDepth(op) => op.probability,
            _ => unreachable!("{} draws nothing", node.name),
        };
        let planes = node.shape.count() / plane(node);
        let mut stream = seed::stream(self.seed, &format!("noise/{}", node.name), self.step);
        // A vector for each plane of each block; on a GPU the planes of image after image, channels
        // innermost.
        let blocked =
            |image: usize, k: usize| ((image / LANES * planes) + k) * LANES + image % LANES;
        let pixels = if planes == 1 { 1 } else { node.shape.pixels() };
        let last = |k: usize| k % pixels * (planes / pixels) + k / pixels;
        let (shape, cpu) = match device {
            Device::Cpu => (vec![lanes.blocks(), planes, LANES], true),
            #[cfg(feature = "cuda")]
            Device::Cuda(..) => (vec![lanes.images(), planes], false),
        };
        let mut factors = vec![0.0; shape.iter().product()];
        // Image by image, so that a batch's end does not change what stands before it.
        for image in 0..lanes.images() {
            for k in 0..planes {
                let at = if cpu { blocked(image, k) } else { image * planes + last(k) };
                factors[at] = if stream.chance(p) { 0.0 } else { (1.0 / (1.0 - p)) as f32 };
            }
        }
        Tensor::new(factors, &shape, device)
    }
}

/// How many values of an image `node` multiplies with one factor.
pub(crate) fn plane(node: &Node) -> usize {
    match node.op {
        Op::StochasticDepth(_) => node.shape.count(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use graph::Graph;

    #[test]
    fn factors_have_the_mean_one_and_follow_step_and_seed() -> Result<()> {
        let graph = Graph::build("efficientnet-b0@0.25", 10, 32).expect("in the zoo");
        let named = |name: &str| graph.nodes().iter().find(|n| n.name == name).expect("a node");
        let draw = |name: &str, seed, step| -> Result<Vec<f32>> {
            let noise = Noise { seed, step };
            noise.factors(named(name), Lanes::of(500), &Device::Cpu)?.host()
        };
        let (dropout, depth) = ("classifier.0", "features.6.3.stochastic_depth");
        for (name, p) in [(dropout, 0.2), (depth, 0.175)] {
            let all = draw(name, 1, 2)?;
            let kept = all.iter().filter(|v| **v > 0.0).count();
            let images = all.len() * 500 / 512;
            let share = 1.0 - kept as f64 / images as f64;
            assert!((share - p).abs() < 0.05, "{name}: {share} of {images} are zero");
            let factor = all.iter().copied().fold(0.0, f32::max);
            assert!((f64::from(factor) - 1.0 / (1.0 - p)).abs() < 1e-6, "{name}: {factor}");
            assert_eq!(all, draw(name, 1, 2)?);
            assert!(all != draw(name, 1, 3)? && all != draw(name, 2, 2)?, "{name}");
        }
        assert_eq!(draw(depth, 1, 2)?.len(), 512, "one factor an image");
        Ok(())
    }
}
