//! Softmax cross-entropy.

use artifact::Result;
use cudarc::driver::LaunchConfig;

use crate::buffer::bytes_of;
use crate::compile::Source;
use crate::launch::{BLOCK, address_of, launch};
use crate::{Buffer, Gpu, Outcome};

/// What a batch shows.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The class of each image.
    pub labels: &'a [u16],
    /// Number of classes.
    pub classes: usize,
    /// Weight that is spread evenly over all classes.
    pub smoothing: f32,
    /// Of mixtures, the class of each image's other part, and the share of its own.
    pub mixed: Option<(&'a [u16], f32)>,
}

impl Gpu {
    /// The outcome of `logits` (images, classes), on its way to the host, and into `grad` the gradient
    /// of their mean loss.
    ///
    /// # Panics
    /// If a label is no class, or a buffer has another size.
    pub fn cross_entropy(&self, target: Target, logits: &Buffer, grad: &Buffer) -> Result<Outcome> {
        let (n, classes) = (target.labels.len(), target.classes);
        assert!(logits.len() == n * classes && grad.len() == logits.len(), "logits");
        assert!(grad.kind() == logits.kind(), "a gradient as the logits");
        let labels = self.labels(target.labels, (n, classes))?;
        let mixed =
            target.mixed.map(|(labels, _)| self.labels(labels, (n, classes))).transpose()?;
        let share = target.mixed.map_or(1.0, |(_, share)| share);
        let kernel = Source::Loss.narrow("cross_entropy", logits.kind());
        let mut outcome = self.outcome()?;
        let block = LaunchConfig {
            grid_dim: (1, 1, 1),
            block_dim: (BLOCK as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        launch!(
            self,
            kernel,
            block,
            logits.address(),
            labels.address(),
            address_of(mixed.as_ref()),
            grad.address(),
            outcome.address(),
            n as i32,
            classes as i32,
            target.smoothing,
            share
        );
        outcome.fetch(self)?;
        Ok(outcome)
    }

    fn labels(&self, labels: &[u16], (n, classes): (usize, usize)) -> Result<Buffer> {
        let known = labels.len() == n && labels.iter().all(|l| usize::from(*l) < classes);
        assert!(known, "{n} labels of {classes} classes");
        self.upload_bytes(bytes_of(labels))
    }
}
