//! The command: flags, the run under the masks, what goes into the manifest.

use std::path::PathBuf;

use anyhow::Result;
use artifact::record::{Finetuning, Scores};
use artifact::{Error, names, size, tensors};
use cifar::Dataset;
use clap::{ArgAction, Parser};
use engine::{
    ClassFlags, Fit, FitFlags, Fitted, Matched, Net, Pruning, Recalibration, Start, device,
};
use serde::Serialize;
use sparsity::{Checkpoint, Current};
use stage::{Common, Job, OnlyWith, Produce};

use crate::quantise;
use crate::start::{self, Begin, Rewind};

/// Fine-tunes a pruned network under its masks, or prunes one while it trains (--prune).
///
/// Pruned weights stay exactly zero, with their gradients and momentum; that is checked after each
/// epoch. The weights of the best epoch (by validation accuracy) are written. Ctrl-C ends after a
/// saved state; the same command goes on from there.
#[derive(Debug, Parser)]
#[command(name = "finetuner")]
pub struct Tune {
    /// Folder of a pruned checkpoint
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Dense run with the weights or the step to --rewind to (trainer --save-at)
    #[arg(long, value_name = "DIR",
          required_if_eq_any = [("rewind", "weights"), ("rewind", "lr")])]
    rewind_from: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    produce: Produce,
    #[command(flatten)]
    common: Common,
}

/// Every setting that can change the result.
#[derive(Debug, clap::Args, Serialize)]
struct Config {
    /// Training images for the norm statistics of the pruned network's score
    #[arg(long, default_value_t = 1024)]
    recalibration_images: usize,
    /// What goes back to the early step of --rewind-from before training
    #[arg(long, value_enum, default_value_t = Rewind::None)]
    rewind: Rewind,
    /// Draw the kept weights anew instead: the control of a lottery-ticket experiment
    #[arg(long, conflicts_with = "rewind_from", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", default_value_t = false, action = ArgAction::Set)]
    reinit: bool,
    #[command(flatten)]
    #[serde(flatten)]
    device: device::Flags,
    #[command(flatten)]
    #[serde(flatten)]
    classes: ClassFlags,
    #[command(flatten)]
    #[serde(flatten)]
    quantise: quantise::Flags,
    #[command(flatten)]
    fit: FitFlags,
}

const ONLY_WITH: [OnlyWith; FitFlags::ONLY_WITH.len() + 1] = {
    let mut all = [quantise::Flags::ONLY_WITH; FitFlags::ONLY_WITH.len() + 1];
    let (_, rest) = all.split_at_mut(1);
    rest.copy_from_slice(FitFlags::ONLY_WITH);
    all
};

impl stage::Command for Tune {
    const SECTION: &'static str = "finetuner";
    const ONLY_WITH: &'static [OnlyWith] = &ONLY_WITH;

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(mut self) -> Result<()> {
        let device = self.config.device.open()?;
        let trained = !self.config.reinit && self.config.rewind != Rewind::Weights;
        let prunes = !self.config.fit.prune.is_off();
        self.config.quantise.check(&device, trained, prunes)?;
        let mut inputs =
            vec![("checkpoint", self.checkpoint.as_path()), ("dataset", self.data.as_path())];
        inputs.extend(self.rewind_from.as_deref().map(|folder| ("early", folder)));
        inputs.extend(self.config.fit.teacher.input());
        let shared = (&self.common, &self.produce);
        // Inputs are checked before the artifact is begun: a bad one leaves nothing behind.
        let start = start::open(&self.checkpoint, self.config.fit.prune.is_off())?;
        let data = Dataset::open(&self.data)?;
        let (flags, known) = (self.config.classes, start.network());
        let Matched { data, network } = flags.matched(&start.graph, known, data, &self.data)?;
        let begin = Begin {
            rewind: self.config.rewind,
            reinit: self.config.reinit,
            seed: self.produce.seed,
        };
        let (tensors, skipped) = begin.at(&start, self.rewind_from.as_deref())?;
        self.check(&start, data.train.len(), skipped)?;
        let pruning = self.pruning(&start, &tensors, data.train.len())?;
        let teacher = self.config.fit.teacher.open(&start.graph, &network, &device)?;
        let Some(job) = Job::start(shared, "finetuner", &self.config, &inputs)? else {
            return Ok(());
        };
        let mut net = Net::load(start.graph.clone(), &tensors, &device)?;
        let seed = self.produce.seed;
        let (flags, masks) = (&self.config.fit, &start.masks);
        let fit = Fit {
            flags,
            data: &data,
            masks,
            pruning: pruning.as_ref(),
            teacher: teacher.as_ref(),
            seed,
            job: &job,
            early: None,
            skipped,
        };
        self.config.quantise.apply(&mut net, &data, &self.recalibration())?;
        let fitted = engine::fit(&mut net, &fit)?;
        net.set_roundings(None)?;
        let scores = self.score(&mut net, &start, (&data, &fitted))?;
        let result = self.result((&start, &fitted), (scores, pruning.as_ref()), &job)?;
        let job = job.timed(fitted.timings);
        Ok(job.finish(Some(network), &result, &[names::MODEL, names::MASK, names::METRICS])?)
    }
}

impl Tune {
    /// Refuses settings that could not act on `images` images, `skipped` steps of the schedule behind.
    fn check(&self, start: &Checkpoint, images: usize, skipped: usize) -> artifact::Result<()> {
        if self.config.rewind == Rewind::Lr && self.config.fit.is_constant() {
            let what =
                "--rewind lr: has no effect with --schedule constant: the rate never changes";
            return Err(Error::Config(what.into()));
        }
        self.config.fit.check(&start.graph, images, skipped)
    }

    /// What prunes the network further while it is trained from `tensors` on `images` images.
    fn pruning(
        &self,
        start: &Checkpoint,
        tensors: &tensors::Tensors,
        images: usize,
    ) -> Result<Option<Pruning>> {
        let (fresh, seed) = (self.config.reinit, self.produce.seed);
        let current = Current { tensors, ..start.current() };
        Ok(self.config.fit.pruning(Start { current, fresh, images, seed })?)
    }

    /// How norm statistics are measured for the pruned weights.
    fn recalibration(&self) -> Recalibration<'_> {
        let (images, augment) = (self.config.recalibration_images, &self.config.fit.augment);
        Recalibration { images, augment, seed: self.produce.seed }
    }

    /// Scores of the pruned network as it came, the same recalibrated, and the tuned one.
    ///
    /// All at the stage's end: nothing is selected by them.
    fn score(
        &self,
        net: &mut Net,
        start: &Checkpoint,
        (data, fitted): (&Dataset, &Fitted),
    ) -> Result<[Scores; 3]> {
        net.set(&start.tensors)?;
        let as_is = engine::scores(net, data)?;
        // What training skipped need not be zero in the network as it came.
        net.set_masks(&start.masks);
        self.recalibration().apply(net, data)?;
        let recalibrated = engine::scores(net, data)?;
        net.set(&fitted.best)?;
        Ok([as_is, recalibrated, engine::scores(net, data)?])
    }

    /// Writes weights and masks; what the manifest says of them.
    fn result(
        &self,
        (start, fitted): (&Checkpoint, &Fitted),
        ([pruned_as_is, pruned, tuned], pruning): ([Scores; 3], Option<&Pruning>),
        job: &Job,
    ) -> Result<Finetuning> {
        let model = job.path(names::MODEL);
        tensors::write(&model, &fitted.best, None)?;
        tensors::write(&job.path(names::MASK), &fitted.masks.tensors(&start.graph), None)?;
        let sparsity = sparsity::count(&start.graph, &fitted.best, &fitted.masks);
        let before = start.history()?;
        // What comes from a finetuner was tuned already: its score is not that of a pruned network.
        let (came, state) = match start.manifest.stage.as_str() {
            "pruner" => (pruned, "pruned"),
            _ => (pruned_as_is, "before"),
        };
        tracing::info!(
            "test accuracy {:.2}% {state}, {:.2}% fine-tuned (epoch {} of {}), {:.2}% of prunable \
             weights are zero",
            came.test.accuracy * 100.0,
            tuned.test.accuracy * 100.0,
            fitted.best_epoch,
            self.config.fit.epochs,
            sparsity.of_prunable * 100.0
        );
        Ok(Finetuning {
            epochs: self.config.fit.epochs,
            best_epoch: fitted.best_epoch,
            pruned_as_is,
            pruned,
            tuned,
            sizes: size::measure(&model, sparsity.nonzero)?,
            sparsity,
            layers: sparsity::layers(&start.graph, &fitted.masks, |p| {
                let now = fitted.reasons.get(&p.name).cloned();
                now.unwrap_or_else(|| before.reason(&p.name))
            }),
            method: pruning.map(Pruning::record).or(before.method),
        })
    }
}
