//! One training step.

use anyhow::Result;
use artifact::Error;
use candle_core::Tensor;
use kernels::loss::{Target, cross_entropy};

use super::Run;
use crate::evaluate::host;
use crate::{Batch, Mode};

impl Run<'_> {
    /// Loads the images `indices`, walks forward and backward, and moves the weights.
    pub(super) fn step(&mut self, indices: &[usize], lr: f64) -> Result<()> {
        let flags = self.fit.flags;
        let augment = flags.augment.get();
        let augment = augment.as_ref().map(|a| (a, self.fit.seed, self.position.epoch));
        let loaded = cifar::batch(&self.fit.data.train, indices, &self.normalise, augment);
        let batch = Batch::new(loaded, self.net.device())?;
        let tape = self.net.forward(&batch, Mode::Train)?;
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
        self.optimiser.step(self.net, &grads, flags.sgd(lr))?;
        self.net.recycle(tape)?;
        self.net.recycle_gradients(grads)?;
        self.position.loss += outcome.loss;
        self.position.correct += outcome.correct;
        self.position.images += indices.len();
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
