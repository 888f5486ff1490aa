//! Accuracy on a part of a dataset, and norm statistics for changed weights.

use std::path::Path;
use std::thread;

use anyhow::Result;
use artifact::Error;
use artifact::record::{Score, Scores};
use candle_core::Tensor;
use cifar::{Dataset, Normalise, Part};
use graph::Graph;
use kernels::loss::{Outcome, Target, cross_entropy};
use stage::interrupt;

use crate::loader::{self, Source};
use crate::{AugmentFlags, Batch, Mode, Net};

/// Images of one forward pass of an evaluation.
const BATCH: usize = 128;

/// The score of `net` on every image of `part`.
///
/// # Errors
/// `Interrupted` where a stop was asked for.
pub fn evaluate(net: &Net, part: &Part, normalise: &Normalise) -> Result<Score> {
    let all: Vec<usize> = (0..part.len()).collect();
    let mut sum = Outcome::default();
    let inference = net.inference()?;
    thread::scope(|scope| {
        let source = Source { part, side: net.graph().side(), normalise, augment: None };
        for loaded in loader::load(scope, source, all.chunks(BATCH)) {
            if interrupt::asked() {
                let what = "interrupted while scoring; run the same command again to go on";
                return Err(Error::Interrupted(what.into()).into());
            }
            let batch = Batch::new(loaded, net.device())?;
            let target =
                Target { labels: &batch.labels, classes: net.graph().classes(), smoothing: 0.0 };
            sum.add(cross_entropy(target, &host(&inference.logits(&batch)?)?, None));
        }
        anyhow::Ok(())
    })?;
    let images = part.len();
    let over = images.max(1) as f64;
    let accuracy = sum.correct as f64 / over;
    Ok(Score { loss: sum.loss / over, accuracy, correct: sum.correct, images })
}

/// Refuses a dataset (of folder `path`) with another number of classes than the network's. Images
/// of another size are resized.
pub fn check_fit(graph: &Graph, data: &Dataset, path: &Path) -> artifact::Result<()> {
    let found = data.info.classes.len();
    if found == graph.classes() {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{}: {found} classes; the network {} is for {} classes",
        path.display(),
        graph.spec(),
        graph.classes()
    )))
}

/// The scores of `net` on the validation and the test images.
pub fn scores(net: &Net, data: &Dataset) -> Result<Scores> {
    let normalise = Normalise::from(&data.info);
    Ok(Scores {
        validation: evaluate(net, &data.validation, &normalise)?,
        test: evaluate(net, &data.test, &normalise)?,
    })
}

/// How norm statistics are measured anew for weights that changed.
///
/// Pruning shifts activations, and statistics of the dense network no longer fit them.
#[derive(Debug, Clone, Copy)]
pub struct Recalibration<'a> {
    /// Training images; 0 leaves the statistics as they are.
    pub images: usize,
    /// Their augmentation. It should be that of training: the statistics that a network was
    /// trained with are those of augmented images, black borders included.
    pub augment: &'a AugmentFlags,
    /// Seed of the choice and augmentation of images.
    pub seed: u64,
}

impl Recalibration<'_> {
    /// Sets the running statistics of every batch norm of `net` to their averages over the images;
    /// weights stay as they are.
    pub fn apply(&self, net: &Net, data: &Dataset) -> Result<()> {
        let normalise = Normalise::from(&data.info);
        let mut order = seed::permutation(self.seed, "recalibrate", 0, data.train.len());
        order.truncate(self.images);
        let augment = self.augment.get();
        let augment = augment.map(|a| (a, self.seed, NO_EPOCH));
        thread::scope(|scope| {
            let (part, side) = (&data.train, net.graph().side());
            let source = Source { part, side, normalise: &normalise, augment };
            for (k, images) in loader::load(scope, source, order.chunks(BATCH)).iter().enumerate() {
                let batch = Batch::new(images, net.device())?;
                let tape = net.forward(&batch, Mode::Recalibrate(1.0 / (k + 1) as f32))?;
                net.recycle(tape)?;
            }
            Ok(())
        })
    }
}

/// The stream of augmentations that no epoch of training uses.
const NO_EPOCH: usize = usize::MAX;

/// A tensor's values on the host.
pub(crate) fn host(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
