//! What a training step or an inference takes, on images that need not be loaded.

mod layers;
#[cfg(feature = "cuda")]
mod on_gpu;

use std::time::Instant;

use anyhow::Result;
use graph::Shape;
use kernels::loss::Target;
use sparsity::Masks;

pub use layers::{Layer, layers};
#[cfg(feature = "cuda")]
pub use on_gpu::{Timed, on_gpu};

use crate::{Batch, Clip, Mode, Net, Noise, Optimiser, OptimiserKind, Sgd, Step};

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Work {
    /// A training step: forward, backward and the optimiser, under the masks if there are any
    Train,
    /// Forward alone, norms folded, zeros skipped
    Infer,
}

/// The optimiser of the timed steps.
const SGD: Sgd = Sgd { lr: 0.01, momentum: 0.9, weight_decay: 5e-4, nesterov: false };

/// Dropout is a part of the step, whatever it draws.
const NOISE: Noise = Noise { seed: 0, step: 0 };

/// Billions of operations a second that the machine can do in registers, measured.
pub fn peak_gflops() -> f64 {
    kernels::peak::flops(10) / 1e9
}

/// Seconds of each of `repeat` steps over `images` images, after two that do not count. The
/// weights that `masks` prune are set to zero first.
pub fn seconds(
    net: &mut Net,
    masks: &Masks,
    work: Work,
    (images, repeat): (usize, usize),
) -> Result<Vec<f64>> {
    let mut tensors = net.tensors()?;
    masks.apply(&mut tensors);
    net.set(&tensors)?;
    net.set_masks(masks);
    let plain = self::images(net, images);
    let batch = Batch::new(plain.clone(), net.device())?;
    let mut optimiser = Optimiser::new(net, masks, OptimiserKind::Sgd)?;
    let scorer = if work == Work::Infer { Some(net.scorer_for(images)?) } else { None };
    let mut all = Vec::new();
    for _ in 0..repeat + 2 {
        let images = scorer.is_some().then(|| plain.clone());
        let start = Instant::now();
        match scorer.as_ref().zip(images) {
            Some((scorer, images)) => drop(scorer.rows(images)?),
            None => step(net, &mut optimiser, &batch)?,
        }
        net.device().wait()?;
        all.push(start.elapsed().as_secs_f64());
    }
    Ok(all.split_off(2))
}

fn images(net: &Net, images: usize) -> cifar::Batch {
    let Shape { c, h, w } = net.graph().images();
    let mut stream = seed::stream(0, "bench", 0);
    let values = (0..images * c * h * w).map(|_| stream.normal() as f32).collect();
    let labels = (0..images).map(|n| (n % net.graph().classes()) as u16).collect();
    let shape = cifar::ImageShape { channels: c, height: h, width: w };
    cifar::Batch { images: values, labels, shape }
}

fn step(net: &Net, optimiser: &mut Optimiser, batch: &Batch) -> Result<()> {
    let tape = net.forward(batch, Mode::Train(Some(NOISE)))?;
    let target = Target { labels: &batch.labels, classes: net.graph().classes(), smoothing: 0.0 };
    let (grad, outcome) = net.loss(&tape, target.into())?;
    let grads = net.backward(&tape, &grad)?;
    optimiser.step(net, &grads, (Clip::default(), Step::Sgd(SGD)))?;
    net.recycle(tape)?;
    net.recycle_gradients(grads);
    net.recycle_loss(grad)?;
    // Last: the host is not to wait for it in the middle of a step.
    outcome.read().map(drop)
}
