//! What to say where a step does not fit into memory.

use artifact::{Error, Result, size};
use graph::group::Group;
use kernels::LANES;
use stage::memory;

use super::Run;
#[cfg(feature = "cuda")]
use crate::Device;
use crate::Net;

impl Run<'_> {
    /// Refuses a batch whose step would not fit into what is left of the processor's memory, before
    /// anything of it is allocated. A GPU says so itself (`Run::fitting`).
    pub(super) fn check_memory(&self) -> Result<()> {
        let known = memory::available().filter(|_| self.net.device().is_cpu());
        let Some(available) = known else { return Ok(()) };
        let block = self.net.image_bytes().saturating_mul(LANES) as u64;
        let most = self.fit.flags.batch.min(self.fit.data.train.len());
        let blocks = most.div_ceil(LANES) as u64;
        let needed = block.saturating_mul(blocks);
        tracing::debug!("a step takes about {:.0} MiB", size::mib(needed));
        if needed <= available {
            return Ok(());
        }
        let (batch, images) = (self.fit.flags.batch, self.net.graph().images());
        let advice = match available / block.max(1) {
            0 => {
                let share = (available as f64 / block as f64).sqrt();
                let (h, w) = (images.h as f64 * share, images.w as f64 * share);
                format!("not even a batch of {LANES} would fit; images of {h:.0} x {w:.0} would")
            }
            fits => format!("--batch {} would fit", fits as usize * LANES),
        };
        Err(Error::Resource(format!(
            "--batch {batch} at {} x {} pixels takes about {:.0} MiB; {:.0} MiB are \
             available; {advice}",
            images.h,
            images.w,
            size::mib(needed),
            size::mib(available)
        )))
    }

    /// The `error` of a step; if a GPU's memory was short, with a batch that would fit.
    #[cfg(feature = "cuda")]
    pub(super) fn fitting(&self, error: anyhow::Error) -> anyhow::Error {
        let Device::Cuda(gpu, _) = self.net.device() else { return error };
        let Some(exhausted) = gpu.exhausted() else { return error };
        let batch = self.fit.flags.batch;
        let image = self.net.image_bytes();
        // What the steps' tensors have by now is theirs again; a tenth is for cuDNN and what lies
        // between.
        let room = (exhausted.free + self.net.activation_bytes()) / 10 * 9;
        let fits = (room / image.max(1)).min(batch / 2);
        let fits = if fits >= 8 { fits / 8 * 8 } else { fits };
        let advice = match fits {
            0 => "not even one image would fit".to_owned(),
            fits => format!("--batch {fits} would fit"),
        };
        Error::Resource(format!(
            "{error:#}: --batch {batch} does not fit; {advice} (training takes about {:.1} MiB an image)",
            size::mib(image as u64)
        ))
        .into()
    }
}

impl Net {
    /// About how many bytes an image takes in training on this device: the outputs that the backward
    /// pass needs, and the largest three for gradients on their way.
    fn image_bytes(&self) -> usize {
        let values = |n: usize| self.graph().nodes()[n].shape.count();
        let kept = |g: &Group| {
            let inner = g.norms.first().is_some_and(|norm| *norm != g.core);
            values(g.head) + if inner { values(g.core) } else { 0 }
        };
        let largest = self.groups().iter().map(|g| values(g.head)).max().unwrap_or(0);
        let all = self.groups().iter().map(kept).sum::<usize>() + 3 * largest;
        all * self.device().activation_bytes()
    }
}
