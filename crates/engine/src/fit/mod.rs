//! Training: epochs of steps, each epoch scored, every state of it recoverable.
//!
//! The order of images, their augmentation and every sum are functions of (seed, epoch, index), so
//! that a run interrupted anywhere continues to the same bytes.

mod average;
mod early;
mod flags;
mod freeze;
mod memory;
mod position;
mod pruning;
mod step;
mod teacher;

use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::Instant;

use anyhow::Result;
use artifact::record::Score;
use artifact::tensors::Tensors;
use artifact::{Error, Timings};
use cifar::{Dataset, Normalise};
use sparsity::Masks;
use stage::{Job, Progress, interrupt};

pub(crate) use average::Average;
pub use early::{Early, Moment};
pub use flags::{AugmentFlags, FitFlags, OptimiserFlags, PruneFlags, ScheduleFlags, Start};
use position::{Position, Saved, State, Trained};
pub use pruning::Pruning;
pub use teacher::{Teacher, TeacherFlags};

use crate::evaluate::{Answers, Views, score};
use crate::loader::{self, Source};
use crate::loss::Pending;
use crate::{Net, Optimiser, Schedule};

/// What to train on, how, and where to keep the state.
pub struct Fit<'a> {
    /// Settings.
    pub flags: &'a FitFlags,
    /// Images.
    pub data: &'a Dataset,
    /// What is zero at first and, unless `pruning` changes that, stays so; empty for dense training.
    pub masks: &'a Masks,
    /// What changes the masks on the way.
    pub pruning: Option<&'a Pruning>,
    /// What it comes close to, beside the labels.
    pub teacher: Option<&'a Teacher>,
    /// Seed of order and augmentation.
    pub seed: u64,
    /// The job whose folder holds state and metrics.
    pub job: &'a Job,
    /// When to keep the weights as [`artifact::names::EARLY`].
    pub early: Option<Moment>,
    /// Steps of the schedule that lie behind: the rate goes on from there.
    pub skipped: usize,
}

/// What came out.
pub struct Fitted {
    /// The epoch (counted from 1) of the best validation accuracy, the first of equals.
    pub best_epoch: usize,
    /// Its weights; with --ema, their average.
    pub best: Tensors,
    /// The weights after the last epoch.
    pub last: Tensors,
    /// What is zero in both.
    pub masks: Masks,
    /// Why each layer is as sparse as it is, by the name of its weight, where training pruned.
    pub reasons: BTreeMap<String, String>,
    /// How long it took, over all interruptions.
    pub timings: Timings,
}

/// Everything that lives through a run.
struct Run<'a> {
    net: &'a mut Net,
    fit: &'a Fit<'a>,
    masks: Masks,
    optimiser: Optimiser,
    average: Option<Average>,
    position: Position,
    /// Images, learning rate and outcome of steps that the position does not count yet.
    pending: VecDeque<(usize, f64, Pending)>,
    best: Tensors,
    normalise: Normalise,
    schedule: Schedule,
    started: Instant,
    saved: Saved,
}

/// Trains `net`, continuing where the job's folder holds an unfinished state.
///
/// # Errors
/// `Interrupted` after a saved state, `Diverged` at a loss that is not finite, `Integrity` should a
/// pruned weight ever be alive.
pub fn fit(net: &mut Net, fit: &Fit) -> Result<Fitted> {
    let mut run = Run::open(net, fit)?;
    let progress = Progress::new("", "images", fit.data.train.len() as u64);
    while run.position.epoch < fit.flags.epochs {
        run.epoch(&progress)?;
    }
    run.write_metrics()?;
    Ok(Fitted {
        best_epoch: run.position.best_epoch,
        last: run.net.tensors()?,
        timings: run.position.timings(),
        best: run.best,
        masks: run.masks,
        reasons: run.position.reasons,
    })
}

impl<'a> Run<'a> {
    fn open(net: &'a mut Net, fit: &'a Fit<'a>) -> Result<Self> {
        let flags = &fit.flags.optimiser;
        let mut optimiser = Optimiser::new(net, fit.masks, flags.optimiser)?;
        optimiser.freeze(&freeze::frozen(net.graph(), &flags.freeze)?);
        let mut run = Run {
            optimiser,
            average: Average::new(net, flags.ema)?,
            position: Position::default(),
            pending: VecDeque::new(),
            best: net.tensors()?,
            normalise: Normalise::from(&fit.data.info),
            schedule: fit.flags.schedule(fit.data.train.len()).lengthened(fit.skipped),
            started: Instant::now(),
            saved: Saved::default(),
            masks: fit.masks.clone(),
            net,
            fit,
        };
        run.net.set_masks(fit.masks);
        #[cfg(feature = "cuda")]
        run.net.hold(&fit.data.train, &run.normalise)?;
        run.check_early()?;
        run.check_memory()?;
        run.resume()?;
        run.keep_early()?;
        Ok(run)
    }

    fn epoch(&mut self, progress: &Progress) -> Result<()> {
        let (flags, train) = (self.fit.flags, &self.fit.data.train);
        progress.begin(&format!("epoch {}/{}", self.position.epoch + 1, flags.epochs));
        progress.advance(self.position.images as u64, "");
        let order = cifar::order(self.fit.seed, self.position.epoch, train.len());
        let entered = Instant::now();
        let normalise = self.normalise.clone();
        thread::scope(|scope| {
            let augment = flags.augment.get().map(|a| (a, self.fit.seed, self.position.epoch));
            let source = Source::new(self.net, train, &normalise);
            let source = Source { augment, workers: flags.workers, ..source };
            let left = order.chunks(flags.batch).skip(self.position.step);
            for loaded in loader::load(scope, source, &left)? {
                self.stop_if_asked(entered)?;
                let lr = self.schedule.lr(self.fit.skipped + self.steps_done());
                let loaded = loaded?;
                let images = loaded.labels().len();
                let stepped = self.step(loaded, &source, lr);
                #[cfg(feature = "cuda")]
                let stepped = stepped.map_err(|e| self.fitting(e));
                stepped?;
                self.position.step += 1;
                self.keep_early()?;
                progress
                    .advance(images as u64, &self.position.message(self.fit.data.validation.len()));
            }
            self.settle(0)
        })?;
        self.position.epoch_seconds += entered.elapsed().as_secs_f64();
        let last = self.schedule.lr(self.fit.skipped + self.steps_done() - 1);
        self.end_epoch(last, progress)
    }

    /// Steps taken since the run began.
    fn steps_done(&self) -> usize {
        self.position.epoch * self.steps_an_epoch() + self.position.step
    }

    fn steps_an_epoch(&self) -> usize {
        self.fit.data.train.len().div_ceil(self.fit.flags.batch)
    }

    /// Scores the epoch, keeps the best, logs it and saves the state.
    fn end_epoch(&mut self, lr: f64, progress: &Progress) -> Result<()> {
        let state = self.state()?;
        self.check_sound(&state)?;
        let revived = self.revived(&state)?;
        let validation = match self.score(&state) {
            Err(e) if matches!(e.downcast_ref(), Some(Error::Interrupted(_))) => {
                self.save(state)?;
                return Err(e);
            }
            other => other?,
        };
        let (settled, sparsity) = (self.is_settled(), self.sparsity());
        self.position.epoch += 1;
        if settled && self.position.is_best(validation.correct) {
            self.best = state.scored().clone();
        }
        self.position.record(Trained { lr, revived, sparsity }, validation);
        progress.line(&self.position.line());
        self.write_metrics()?;
        self.position.begin_epoch();
        if self.position.epoch == self.fit.flags.epochs || self.is_due() {
            self.save(state)?;
        }
        Ok(())
    }

    /// The number of pruned weights that are alive, which must be none.
    fn revived(&self, state: &State) -> Result<u64> {
        let all = [Some(&state.now), state.average.as_ref()];
        match all.into_iter().flatten().map(|t| self.masks.revived(t)).sum() {
            0 => Ok(0),
            alive => Err(Error::Integrity(format!(
                "{alive} pruned weights are alive after an epoch: a mask leaked"
            ))
            .into()),
        }
    }

    /// The score of the network, or of its average.
    fn score(&self, state: &State) -> Result<Score> {
        let scorer = self.net.scorer_of(state.scored())?;
        let answers = Answers { net: self.net, scorer, views: Views::Plain };
        let scored = score(&answers, &self.fit.data.validation, &self.normalise)?;
        let loss = scored.score.loss;
        match scored.not_finite {
            _ if !loss.is_finite() => Err(self.diverged(&format!("the validation loss is {loss}"))),
            Some(i) => {
                Err(self.diverged(&format!("the logits of validation image {i} are not finite")))
            }
            None => Ok(scored.score),
        }
    }

    /// Saves and stops where that was asked for; the epoch's work was `entered` at that time.
    fn stop_if_asked(&mut self, entered: Instant) -> Result<()> {
        if !interrupt::asked() {
            return Ok(());
        }
        self.settle(0)?;
        let state = self.state()?;
        self.check_sound(&state)?;
        self.position.epoch_seconds += entered.elapsed().as_secs_f64();
        self.save(state)?;
        Err(Error::Interrupted(format!(
            "interrupted in epoch {} after {} steps; the state is saved: run the same command \
             again to go on",
            self.position.epoch + 1,
            self.position.step
        ))
        .into())
    }
}
