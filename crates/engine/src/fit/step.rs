//! One training step.

use anyhow::Result;
use artifact::{Error, size};
use candle_core::Tensor;
use kernels::loss::{Target, cross_entropy};

use super::Run;
use crate::evaluate::host;
use crate::{Batch, Mode, Noise};

impl Run<'_> {
    /// Walks forward and backward over the images, and moves the weights; `done` steps lie behind.
    pub(super) fn step(&mut self, loaded: cifar::Batch, done: usize) -> Result<()> {
        let flags = self.fit.flags;
        let (lr, momentum) = (self.schedule.lr(done), self.schedule.momentum(done));
        let batch = Batch::new(loaded, self.net.device())?;
        let noise = Noise { seed: self.fit.seed, step: self.steps_done() as u64 };
        let tape = self.net.forward(&batch, Mode::Train(Some(noise)))?;
        let target = Target {
            labels: &batch.labels,
            classes: self.net.graph().classes(),
            smoothing: flags.label_smoothing as f32,
        };
        let mut grad = vec![0.0; tape.logits().elem_count()];
        let outcome = cross_entropy(target, &host(tape.logits())?, Some(&mut grad));
        if !outcome.loss.is_finite() {
            let what = format!("the loss is {} (learning rate {lr})", outcome.loss);
            return Err(self.diverged(&what));
        }
        let grad = Tensor::from_vec(grad, tape.logits().shape(), self.net.device())?;
        let grads = self.net.backward(&tape, &grad)?;
        self.optimiser.clip(&grads, flags.optimiser.clip())?;
        self.optimiser.step(self.net, &grads, flags.optimiser.step((lr, momentum), done + 1))?;
        if let Some(average) = &mut self.average {
            average.follow(self.net, done + 1)?;
        }
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
