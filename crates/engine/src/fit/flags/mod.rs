//! The flags of training and fine-tuning, declared once.

mod augment;
mod number;
mod optimiser;
mod schedule;

use cifar::Mixup;
use clap::Args;
use graph::Graph;
use serde::Serialize;

pub use augment::AugmentFlags;
use number::{at_least_one, fraction, not_negative, workers};
pub use optimiser::OptimiserFlags;
pub use schedule::ScheduleFlags;

use super::freeze::frozen;
use crate::Schedule;

/// How to train.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Training")]
pub struct FitFlags {
    /// Passes over the training images
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub epochs: usize,
    /// Images a step
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    pub batch: usize,
    /// Threads that load and augment images beside the computation. The result does not depend on it
    #[arg(long, default_value_t = 1, value_parser = workers)]
    #[serde(skip)]
    pub workers: usize,
    /// Weight of the loss that is spread evenly over all classes
    #[arg(long, default_value_t = 0.0, value_parser = fraction)]
    pub label_smoothing: f64,
    /// Mix each image and its label with another of the batch, by a share drawn from
    /// Beta(ALPHA, ALPHA); 0 mixes nothing. Training accuracy is that of the first label
    #[arg(long, default_value_t = 0.0, value_name = "ALPHA", value_parser = not_negative)]
    pub mixup: f64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub optimiser: OptimiserFlags,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub schedule: ScheduleFlags,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub augment: AugmentFlags,
}

impl FitFlags {
    /// Refuses flags that do not fit the network.
    ///
    /// # Errors
    /// `Config` where --freeze names nothing or everything.
    pub fn check(&self, graph: &Graph) -> artifact::Result<()> {
        frozen(graph, &self.optimiser.freeze).map(drop)
    }

    /// How images are mixed, if they are.
    pub(crate) fn mixup(&self) -> Option<Mixup> {
        (self.mixup > 0.0).then_some(Mixup { alpha: self.mixup })
    }

    /// Learning rate and momentum of every step over `images` training images.
    pub(crate) fn schedule(&self, images: usize) -> Schedule {
        self.schedule.get(self.optimiser.full(), (self.epochs, images.div_ceil(self.batch)))
    }
}
