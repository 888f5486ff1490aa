//! Where a run stands, and its state on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use artifact::record::{Epoch, Score};
use artifact::tensors::{self, Tensor, Tensors};
use artifact::timings::EpochTiming;
use artifact::{Error, Timings, file, names};
use serde::{Deserialize, Serialize};
use sparsity::Masks;

use super::Run;

/// Counters of a run; all but the seconds follow from the seed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// Epochs that are complete.
    pub epoch: usize,
    /// Steps of the current epoch that are complete.
    pub step: usize,
    /// Sum of the current epoch's losses.
    pub loss: f64,
    /// Images of the current epoch classified rightly.
    pub correct: usize,
    /// Images of the current epoch.
    pub images: usize,
    /// The best epoch so far, counted from 1; 0 before the first.
    pub best_epoch: usize,
    /// Validation images that it classified rightly.
    pub best_correct: usize,
    /// Seconds of the current epoch's training.
    pub epoch_seconds: f64,
    /// Seconds of the run.
    pub seconds: f64,
    /// The records of all complete epochs: the lines of [`names::METRICS`].
    pub epochs: Vec<Epoch>,
    /// How long each of them took.
    pub timings: Vec<EpochTiming>,
    /// SHA-256 of [`names::EARLY`], once that is written.
    pub early: Option<String>,
    /// Steps that had been taken when the optimiser's state was last reset.
    #[serde(default)]
    pub reset_at: usize,
    /// Why each layer is as sparse as it is, where training prunes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, String>,
}

/// What an epoch's training leaves to be recorded beside its counters.
#[derive(Clone, Copy)]
pub(super) struct Trained {
    /// The learning rate of the last step.
    pub lr: f64,
    /// Pruned weights that are alive.
    pub revived: u64,
    /// The share of the prunable weights that is pruned, where training prunes.
    pub sparsity: Option<f64>,
}

impl Position {
    /// Notes the score of the epoch just completed; true if it is the best so far.
    pub(super) fn is_best(&mut self, correct: usize) -> bool {
        let best = self.best_epoch == 0 || correct > self.best_correct;
        if best {
            (self.best_epoch, self.best_correct) = (self.epoch, correct);
        }
        best
    }

    pub(super) fn begin_epoch(&mut self) {
        (self.step, self.loss, self.correct, self.images) = (0, 0.0, 0, 0);
        self.epoch_seconds = 0.0;
    }

    /// Behind the progress bar; `validation` is the number of validation images.
    pub(super) fn message(&self, validation: usize) -> String {
        let n = self.images.max(1) as f64;
        let (loss, accuracy) = (self.loss / n, self.correct as f64 / n * 100.0);
        let best = self.best_correct as f64 / validation.max(1) as f64 * 100.0;
        format!("loss {loss:.3} acc {accuracy:.1}% best {best:.1}%")
    }

    /// Appends the record of the epoch just completed, and how long it took.
    pub(super) fn record(&mut self, trained: Trained, validation: Score) {
        let Trained { lr, revived, sparsity } = trained;
        let n = self.images.max(1) as f64;
        self.epochs.push(Epoch {
            epoch: self.epoch,
            lr,
            train_loss: self.loss / n,
            train_accuracy: self.correct as f64 / n,
            validation,
            best: self.best_correct as f64 / validation.images.max(1) as f64,
            revived,
            sparsity,
        });
        self.timings.push(EpochTiming {
            epoch: self.epoch,
            seconds: self.epoch_seconds,
            images_per_second: n / self.epoch_seconds.max(1e-9),
        });
    }

    /// The last complete epoch, for people.
    pub(super) fn line(&self) -> String {
        let Some((e, timing)) = self.epochs.last().zip(self.timings.last()) else {
            return String::new();
        };
        let best = match self.best_epoch {
            0 => "masks still change".to_owned(),
            _ => format!("Best Accuracy: {:.2}%", e.best * 100.0),
        };
        let sparse = e.sparsity.map(|s| format!("{:.1} % sparse, ", s * 100.0));
        format!(
            "Epoch {} Accuracy {:.2}% / {best}  ({}loss {:.4}, {:.0} images/s)",
            e.epoch,
            e.validation.accuracy * 100.0,
            sparse.unwrap_or_default(),
            e.train_loss,
            timing.images_per_second
        )
    }

    /// The lines of [`names::METRICS`].
    fn metrics(&self) -> Result<String> {
        let line = |e: &Epoch| Ok(serde_json::to_string(e)? + "\n");
        self.epochs.iter().map(line).collect()
    }

    /// What was timed so far.
    pub(super) fn timings(&self) -> Timings {
        Timings { seconds: Some(self.seconds), epochs: self.timings.clone(), ..Timings::default() }
    }
}

/// What a run is made of at a moment, on the host.
pub(super) struct State {
    pub now: Tensors,
    pub average: Option<Tensors>,
    /// The values that are scored, with rounded weights; None where training does not round.
    rounded: Option<Tensors>,
    optimiser: Tensors,
}

impl State {
    /// The values that count: the average, if there is one; with rounded weights where training rounds them, since
    /// norm statistics and biases are theirs.
    pub(super) fn scored(&self) -> &Tensors {
        self.rounded.as_ref().or(self.average.as_ref()).unwrap_or(&self.now)
    }
}

/// The state on disk.
#[derive(Default)]
pub(super) struct Saved {
    /// Its complete epochs.
    pub epoch: usize,
    /// When it was written by this process, and how long that took.
    written: Option<(Instant, Duration)>,
}

/// Time between two saves on a GPU, in the time that one takes: there an epoch may take no longer.
const SAVES_APART: u32 = 20;

impl Run<'_> {
    pub(super) fn state(&self) -> Result<State> {
        let now = self.net.tensors()?;
        let average = self.average.as_ref().map(|a| a.tensors(self.net)).transpose()?;
        let rounded = self.net.with_rounded_weights(average.as_ref().unwrap_or(&now));
        Ok(State { now, average, rounded, optimiser: self.optimiser.tensors(self.net)? })
    }

    /// Refuses weights and optimiser states that are not finite: nothing of them is ever saved.
    pub(super) fn check_sound(&self, state: &State) -> Result<()> {
        let sound = |t: &Tensor| t.as_f32().is_some_and(|v| v.iter().all(|x| x.is_finite()));
        match state.now.iter().chain(&state.optimiser).find(|(_, t)| !sound(t)) {
            Some((name, _)) => Err(self.diverged(&format!("{name} is not finite"))),
            None => Ok(()),
        }
    }

    /// Whether a save would not take a large part of the time.
    pub(super) fn is_due(&self) -> bool {
        let cheap = |(at, took): (Instant, Duration)| at.elapsed() >= took * SAVES_APART;
        self.net.device().is_cpu() || self.saved.written.is_none_or(cheap)
    }

    /// Saves weights, their average, the optimiser's state, the best weights and the position in
    /// one atomic file.
    pub(super) fn save(&mut self, state: State) -> Result<()> {
        self.position.seconds += self.started.elapsed().as_secs_f64();
        self.started = Instant::now();
        let mut all = Tensors::new();
        add(&mut all, "now", state.now);
        add(&mut all, "best", self.best.clone());
        if self.fit.pruning.is_some() {
            add(&mut all, "mask", self.masks.tensors(self.net.graph()));
        }
        all.extend(state.optimiser);
        if let Some(average) = state.average {
            add(&mut all, "average", average);
        }
        let note = serde_json::to_string(&self.position)?;
        tensors::write_sealed(&self.fit.job.path(names::STATE), &all, &note)?;
        let written = Some((Instant::now(), self.started.elapsed()));
        self.saved = Saved { epoch: self.position.epoch, written };
        Ok(())
    }

    /// Continues from a saved state, if there is one.
    pub(super) fn resume(&mut self) -> Result<()> {
        let path = self.fit.job.path(names::STATE);
        if file::exists(&path)? {
            self.restore(&path).with_context(|| {
                let folder = self.fit.job.folder().display();
                format!(
                    "an unfinished run cannot go on; start over with --fresh, or delete {folder}"
                )
            })?;
            self.saved.epoch = self.position.epoch;
            let (epoch, step) = (self.position.epoch + 1, self.position.step + 1);
            tracing::info!("going on at epoch {epoch}, step {step}");
        }
        let begun = file::exists(&self.fit.job.path(names::METRICS))?;
        if begun || self.position.epoch > 0 { self.write_metrics() } else { Ok(()) }
    }

    /// Writes [`names::METRICS`] as the position has it: lines of epochs that it does not know (a kill
    /// may fall between the two writes) and damaged ones are gone then.
    pub(super) fn write_metrics(&self) -> Result<()> {
        let text = self.position.metrics()?;
        Ok(file::write(&self.fit.job.path(names::METRICS), text.as_bytes())?)
    }

    fn restore(&mut self, path: &Path) -> Result<()> {
        let (all, note) = tensors::read_sealed(path)?;
        self.position = serde_json::from_str(&note)
            .map_err(|e| Error::Integrity(format!("{}: position: {e}", path.display())))?;
        self.check_kept_early()?;
        let group = |name| take(&all, name, self.net.graph(), path);
        let (now, best) = (group("now")?, group("best")?);
        self.net.set(&now)?;
        self.best = best;
        // Masks that never change are those that the run was given.
        if self.fit.pruning.is_some() {
            let masks = Masks::of_tensors(&group_of(&all, "mask"), self.net.graph(), path)?;
            self.bind(masks)?;
        }
        if let Some(average) = &mut self.average {
            average.restore(self.net, &take(&all, "average", self.net.graph(), path)?)?;
        }
        self.optimiser.restore(self.net, &all, path).context("state of the optimiser")
    }
}

fn add(all: &mut Tensors, group: &str, tensors: Tensors) {
    all.extend(tensors.into_iter().map(|(name, t)| (format!("{group}/{name}"), t)));
}

fn group_of(all: &Tensors, group: &str) -> Tensors {
    let prefix = format!("{group}/");
    let own = all.iter().filter_map(|(name, t)| {
        name.strip_prefix(&prefix).map(|n| (n.to_owned(), Tensor::clone(t)))
    });
    own.collect()
}

fn take(all: &Tensors, group: &str, graph: &graph::Graph, path: &Path) -> Result<Tensors> {
    let own = group_of(all, group);
    tensors::check_table(&own, &graph.table(), path)
        .with_context(|| format!("state of {group}"))?;
    Ok(own)
}
