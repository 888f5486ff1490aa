//! What to say where a step does not fit into a GPU's memory.

use artifact::{Error, size};

use super::Run;
use crate::Device;

impl Run<'_> {
    /// The `error` of a step; if memory was missing, with a batch that would fit.
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
