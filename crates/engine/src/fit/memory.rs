//! What to say where a step does not fit into a GPU's memory.

use artifact::{Error, size};
use graph::group::Group;

use super::Run;
use crate::{Device, Net};

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

impl Net {
    /// About how many bytes an image takes in training on this device: the outputs that the way back
    /// needs, and the largest three for gradients on their way.
    fn image_bytes(&self) -> usize {
        let values = |n: usize| self.graph().nodes()[n].shape.count();
        let kept = |g: &Group| values(g.head) + if g.norm.is_some() { values(g.core) } else { 0 };
        let largest = self.groups().iter().map(|g| values(g.head)).max().unwrap_or(0);
        let all = self.groups().iter().map(kept).sum::<usize>() + 3 * largest;
        all * self.device().activation_bytes()
    }
}
