//! The loss of a batch and the gradient of its logits.

use anyhow::Result;
use kernels::loss::{self, Objective, Outcome};

use crate::{Device, Net, Tape, Tensor};

/// What a batch scored: known, or on its way from a GPU.
pub(crate) enum Pending {
    Known(Outcome),
    #[cfg(feature = "cuda")]
    Later(cuda::Outcome, std::rc::Rc<cuda::Gpu>),
}

impl Pending {
    /// The outcome, as soon as it is known.
    #[cfg_attr(
        not(feature = "cuda"),
        allow(clippy::unnecessary_wraps, reason = "reading from a GPU can fail")
    )]
    pub(crate) fn read(self) -> Result<Outcome> {
        match self {
            Self::Known(outcome) => Ok(outcome),
            #[cfg(feature = "cuda")]
            Self::Later(outcome, gpu) => {
                let (loss, correct) = outcome.read(&gpu)?;
                Ok(Outcome { loss, correct: correct as usize })
            }
        }
    }
}

/// The gradient of the mean loss of `logits`, and what their batch scored. On a GPU the gradient goes
/// to a tensor of `room`.
#[cfg_attr(not(feature = "cuda"), allow(unused_variables, reason = "room on a GPU"))]
pub(crate) fn of(
    (logits, device): (&Tensor, &Device),
    objective: Objective,
    room: impl FnOnce() -> Result<Tensor>,
) -> Result<(Tensor, Pending)> {
    match logits {
        Tensor::Cpu(_) => {
            let mut grad = vec![0.0; logits.elem_count()];
            let outcome = loss::loss(objective, &logits.host()?, Some(&mut grad));
            Ok((Tensor::new(grad, logits.dims(), device)?, Pending::Known(outcome)))
        }
        #[cfg(feature = "cuda")]
        Tensor::Cuda(on) => {
            let Objective { target, mix, teacher } = objective;
            anyhow::ensure!(teacher.is_none(), "a GPU's loss knows no teacher");
            let grad = room()?;
            let target = cuda::Target {
                labels: target.labels,
                classes: target.classes,
                smoothing: target.smoothing,
                mixed: mix.map(|m| (m.labels, m.share)),
            };
            let outcome = on.gpu.cross_entropy(target, &on.buffer, grad.buffer())?;
            Ok((grad, Pending::Later(outcome, std::rc::Rc::clone(&on.gpu))))
        }
    }
}

impl Net {
    /// Gives the gradient of a loss back, to be used again. On the processor it is no tensor of the
    /// workspace's.
    pub(crate) fn recycle_loss(&self, grad: Tensor) -> Result<()> {
        if self.device().is_cpu() { Ok(()) } else { self.workspace().give(grad) }
    }

    /// The gradient of the mean loss of the logits on `tape`, and what the batch scored.
    pub(crate) fn loss(&self, tape: &Tape, objective: Objective) -> Result<(Tensor, Pending)> {
        let room = || self.workspace().like(tape.logits(), self.device());
        of((tape.logits(), self.device()), objective, room)
    }
}
