//! Measures the running statistics of norms: again after weights have changed, or for norms just inserted.

use std::slice::Chunks;
use std::thread;

use anyhow::Result;
use artifact::Error;
use cifar::{Dataset, Normalise};

use stage::interrupt;

use crate::forward::Measured;
use crate::loader::{self, Source};
use crate::{AugmentFlags, Batch, Mode, Net};

/// Images of one forward pass of a recalibration.
const BATCH: usize = 128;
/// And of a calibration: fewer, since networks from elsewhere may take large ones.
const FEW: usize = 32;

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
        let source = Source { augment, ..Source::new(net, &data.train, &normalise) };
        walk(net, source, &order.chunks(BATCH), Mode::Recalibrate)
    }
}

/// The stream of augmentations that no epoch of training uses.
const NO_EPOCH: usize = usize::MAX;

/// How statistics are measured for batch norms inserted into a network that is already trained.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'a> {
    /// The norms, as nodes of the graph.
    pub norms: &'a [usize],
    /// Training images, shown as they are; all where there are fewer.
    pub images: usize,
    /// Seed of their choice.
    pub seed: u64,
}

impl Calibration<'_> {
    /// Sets the running statistics of these norms of `net` to the averages, over the images, of their inputs'
    /// batch statistics, as training would update them. Meanwhile every norm normalises with the statistics
    /// that it had before, so that the network is measured as it was imported.
    pub fn apply(&self, net: &Net, data: &Dataset) -> Result<()> {
        let normalise = Normalise::from(&data.info);
        let mut order = seed::permutation(self.seed, "calibrate", 0, data.train.len());
        order.truncate(self.images);
        let (stats, norms) = (&net.stats()?, self.norms);
        let measure = |weight| Mode::Measure(Measured { norms, stats, weight });
        walk(net, Source::new(net, &data.train, &normalise), &order.chunks(FEW), measure)
    }
}

/// Runs `batches` of the images of `source` through `net`. `mode` is given each batch's weight in the running
/// average over all batches so far.
fn walk<'a>(
    net: &Net,
    source: Source,
    batches: &Chunks<usize>,
    mode: impl Fn(f32) -> Mode<'a>,
) -> Result<()> {
    thread::scope(|scope| {
        for (k, images) in loader::load(scope, source, batches)?.enumerate() {
            if interrupt::asked() {
                let what = "interrupted while norms were measured; run the same command again";
                return Err(Error::Interrupted(what.into()).into());
            }
            let batch = Batch::fresh(net, &source, images?, None)?;
            net.recycle(net.forward(&batch, mode(1.0 / (k + 1) as f32))?)?;
        }
        Ok(())
    })
}
