//! One training step.

use anyhow::Result;
use artifact::{Error, size};
use kernels::loss::{Mix, Objective, Outcome, Target};

use super::Run;
use super::pruning::Kind;
use crate::loader::{Fresh, Source};
use crate::{Batch, Mode, Noise, Tensor};

/// Steps whose outcome may still be on its way from a GPU when the next one begins.
const AHEAD: usize = 8;

impl Run<'_> {
    /// Walks forward and backward over the images, and moves the weights.
    pub(super) fn step(&mut self, fresh: Fresh, source: &Source, lr: f64) -> Result<()> {
        let kind = self.change_masks()?;
        let flags = self.fit.flags;
        let place = (self.position.epoch, self.position.step);
        let mixup = flags.mixup();
        let mixed = mixup.map(|m| m.draw(fresh.labels().len(), self.fit.seed, place));
        let fresh = fresh.mixed(mixed.as_ref());
        let answers = self.fit.teacher.map(|teacher| teacher.logits(&fresh));
        let batch = Batch::fresh(self.net, source, fresh, mixed.as_ref())?;
        let noise = Noise { seed: self.fit.seed, step: self.steps_done() as u64 };
        let tape = self.net.forward(&batch, Mode::Train(Some(noise)))?;
        let target = Target {
            labels: &batch.labels,
            classes: self.net.graph().classes(),
            smoothing: flags.label_smoothing as f32,
        };
        let others = mixed.as_ref().map(|m| m.labels(&batch.labels));
        let mix = mixed.as_ref().zip(others.as_deref());
        let mix = mix.map(|(m, labels)| Mix { labels, share: m.share });
        let teacher = self.fit.teacher.zip(answers.as_deref()).map(|(t, logits)| t.term(logits));
        let (grad, outcome) = self.net.loss(&tape, Objective { target, mix, teacher })?;
        self.pending.push_back((batch.labels.len(), lr, outcome));
        // On the processor it is known, and seen before any weight moves.
        self.settle(if self.net.device().is_cpu() { 0 } else { AHEAD })?;
        let grads = match kind {
            Kind::Plain => {
                let grads = self.net.backward(&tape, &grad)?;
                self.descend(&grads, lr)?;
                grads
            }
            Kind::Regrow(share) => {
                let grads = self.net.backward_dense(&tape, &grad)?;
                self.regrow(&grads, share)?;
                grads
            }
        };
        self.net.recycle(tape)?;
        self.net.recycle_gradients(grads);
        self.net.recycle_loss(grad)?;
        if self.steps_done() == 0 {
            let bytes = self.net.activation_bytes() as u64;
            tracing::debug!("activations and gradients of a step: {:.0} MiB", size::mib(bytes));
        }
        Ok(())
    }

    /// Counts the outcomes of all steps but the last `left`.
    pub(super) fn settle(&mut self, left: usize) -> Result<()> {
        while self.pending.len() > left {
            let Some((images, lr, pending)) = self.pending.pop_front() else { break };
            let Outcome { loss, correct } = pending.read()?;
            if !loss.is_finite() {
                return Err(self.diverged(&format!("the loss is {loss} (learning rate {lr})")));
            }
            self.position.loss += loss;
            self.position.correct += correct;
            self.position.images += images;
        }
        Ok(())
    }

    /// Moves the weights along `grads`, and their average after them.
    fn descend(&mut self, grads: &[Option<Tensor>], lr: f64) -> Result<()> {
        let (flags, done) = (&self.fit.flags.optimiser, self.steps_done());
        let number = done + 1 - self.position.reset_at;
        let step = flags.step((lr, self.schedule.momentum(self.fit.skipped + done)), number);
        self.optimiser.step(self.net, grads, (flags.clip(), step))?;
        match &mut self.average {
            Some(average) => average.follow(self.net, done + 1),
            None => Ok(()),
        }
    }

    /// The error of numbers that are none, before any state was made of them.
    pub(super) fn diverged(&self, what: &str) -> anyhow::Error {
        let kept = match self.saved.epoch {
            0 => "no epoch was complete".to_owned(),
            n => format!("the state of epoch {n} is intact in {}", self.fit.job.folder().display()),
        };
        Error::Diverged(format!(
            "{what} in epoch {} after {} steps; {kept}; try a lower --lr, or warm-up, with --fresh",
            self.position.epoch + 1,
            self.position.step
        ))
        .into()
    }
}
