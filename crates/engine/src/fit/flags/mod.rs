//! The flags of training and fine-tuning, declared once.

mod augment;
pub(super) mod number;
mod optimiser;
mod prune;
mod schedule;

use artifact::Error;
use cifar::Mixup;
use clap::Args;
use graph::Graph;
use serde::Serialize;
use stage::{OnlyWith, Values};

pub use augment::AugmentFlags;
use number::{at_least_one, fraction, not_negative, workers};
pub use optimiser::OptimiserFlags;
pub use prune::{PruneFlags, Start};
pub use schedule::ScheduleFlags;

use super::freeze::frozen;
use super::pruning::Pruning;
use super::teacher::TeacherFlags;
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
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    // Left out of the manifest where it is off: the runs of earlier versions, which lacked it, stay done.
    #[serde(skip_serializing_if = "PruneFlags::is_off")]
    pub prune: PruneFlags,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    #[serde(skip_serializing_if = "TeacherFlags::is_off")]
    pub teacher: TeacherFlags,
}

const STEPS: Values = Values::OneOf(&["step", "multi-step"]);
const NOT_CYCLED: Values = Values::OneOf(&["constant", "cosine", "step", "multi-step"]);
const ONE_CYCLE: Values = Values::OneOf(&["one-cycle"]);
const SGD: Values = Values::OneOf(&["sgd"]);
const ADAM: Values = Values::OneOf(&["adam", "adamw"]);

impl FitFlags {
    /// Flags that act only under some optimisers or schedules.
    pub const ONLY_WITH: &[OnlyWith] = &Self::RULES;

    const RULES: [OnlyWith; 28] = {
        let mut all = [PruneFlags::ONLY_WITH[0]; 28];
        let (own, rest) = all.split_at_mut(15);
        own.copy_from_slice(&Self::OWN);
        let (prune, teacher) = rest.split_at_mut(11);
        prune.copy_from_slice(&PruneFlags::ONLY_WITH);
        teacher.copy_from_slice(&TeacherFlags::ONLY_WITH);
        all
    };

    const OWN: [OnlyWith; 15] = [
        OnlyWith::new("step-epochs", "schedule", Values::OneOf(&["step"])),
        OnlyWith::new("milestones", "schedule", Values::OneOf(&["multi-step"])),
        OnlyWith::new("gamma", "schedule", STEPS),
        OnlyWith::new("pct-start", "schedule", ONE_CYCLE),
        OnlyWith::new("div-factor", "schedule", ONE_CYCLE),
        OnlyWith::new("final-div-factor", "schedule", ONE_CYCLE),
        OnlyWith::new("no-cycle-momentum", "schedule", ONE_CYCLE),
        OnlyWith::new("momentum", "optimiser", SGD),
        OnlyWith::new("nesterov", "optimiser", SGD),
        OnlyWith::new("beta1", "optimiser", ADAM),
        OnlyWith::new("beta2", "optimiser", ADAM),
        OnlyWith::new("eps", "optimiser", ADAM),
        OnlyWith::new("nesterov", "momentum", Values::NotZero),
        OnlyWith::new("momentum", "schedule", NOT_CYCLED).unless("no-cycle-momentum"),
        OnlyWith::new("beta1", "schedule", NOT_CYCLED).unless("no-cycle-momentum"),
    ];

    /// Refuses flags that do not fit the network, and such as could not act in a training on
    /// `images` images of whose steps `skipped` lie behind (see [`crate::Fit::skipped`]).
    ///
    /// # Errors
    /// `Config` where --freeze names nothing or everything, where --mixup has nothing to mix, or
    /// where a warm-up, milestone or step of the schedule lies behind the training's end.
    pub fn check(&self, graph: &Graph, images: usize, skipped: usize) -> artifact::Result<()> {
        frozen(graph, &self.optimiser.freeze)?;
        self.augment.check(graph.images().h.min(graph.images().w))?;
        if self.mixup > 0.0 && self.batch == 1 {
            let what = "--mixup: has no effect with --batch 1: there is no other image to mix with";
            return Err(Error::Config(what.into()));
        }
        let schedule = self.schedule(images).lengthened(skipped);
        self.schedule.check(&schedule, images.div_ceil(self.batch))
    }

    /// What prunes a training that begins at `start`; None where nothing does.
    ///
    /// # Errors
    /// `Config` where the schedule does not fit into the training, or the method cannot reach the sparsity.
    pub fn pruning(&self, start: Start) -> artifact::Result<Option<Pruning>> {
        let graph = start.current.graph;
        let frozen = frozen(graph, &self.optimiser.freeze)?;
        let frozen = graph.params().iter().zip(frozen).filter(|(_, frozen)| *frozen);
        let frozen = frozen.map(|(param, _)| param.name.clone()).collect();
        let length = (self.epochs, start.images.div_ceil(self.batch));
        self.prune.pruning(start, length, frozen)
    }

    /// Whether the learning rate never changes.
    pub fn is_constant(&self) -> bool {
        self.schedule.is_constant()
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
