//! One training step.

use anyhow::Result;
use artifact::{Error, size};
use candle_core::Tensor;
use kernels::loss::{Mix, Target, mixed_cross_entropy};

use super::Run;
use crate::evaluate::host;
use crate::{Batch, Mode, Noise};

impl Run<'_> {
    /// Walks forward and backward over the images, and moves the weights.
    pub(super) fn step(&mut self, mut loaded: cifar::Batch, lr: f64) -> Result<()> {
        let flags = self.fit.flags;
        let place = (self.position.epoch, self.position.step);
        let mixed = flags.mixup().map(|m| m.apply(&mut loaded, self.fit.seed, place));
        let batch = Batch::new(loaded, self.net.device())?;
        let noise = Noise { seed: self.fit.seed, step: self.steps_done() as u64 };
        let tape = self.net.forward(&batch, Mode::Train(Some(noise)))?;
        let target = Target {
            labels: &batch.labels,
            classes: self.net.graph().classes(),
            smoothing: flags.label_smoothing as f32,
        };
        let mut grad = vec![0.0; tape.logits().elem_count()];
        let mix = mixed.as_ref().map(|m| Mix { labels: &m.labels, share: m.share });
        let outcome = mixed_cross_entropy(target, mix, &host(tape.logits())?, Some(&mut grad));
        if !outcome.loss.is_finite() {
            let what = format!("the loss is {} (learning rate {lr})", outcome.loss);
            return Err(self.diverged(&what));
        }
        let grad = Tensor::from_vec(grad, tape.logits().shape(), self.net.device())?;
        let grads = self.net.backward(&tape, &grad)?;
        self.descend(&grads, lr)?;
        self.net.recycle(tape)?;
        self.net.recycle_gradients(grads)?;
        if self.position.images == 0 {
            let bytes = self.net.activation_bytes() as u64;
            tracing::debug!("activations and gradients of a step: {:.0} MiB", size::mib(bytes));
        }
        self.position.loss += outcome.loss;
        self.position.correct += outcome.correct;
        self.position.images += batch.labels.len();
        Ok(())
    }

    /// Moves the weights along `grads`, and their average after them.
    fn descend(&mut self, grads: &[Option<Tensor>], lr: f64) -> Result<()> {
        let (flags, done) = (&self.fit.flags.optimiser, self.steps_done());
        let step = flags.step((lr, self.schedule.momentum(self.fit.skipped + done)), done + 1);
        self.optimiser.clip(grads, flags.clip())?;
        self.optimiser.step(self.net, grads, step)?;
        match &mut self.average {
            Some(average) => average.follow(self.net, done + 1),
            None => Ok(()),
        }
    }

    /// The error of numbers that are none, before any state was made of them.
    pub(super) fn diverged(&self, what: &str) -> anyhow::Error {
        let kept = match self.position.epoch {
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
