//! Batches made ready beside the computation, by threads of their own.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Scope};

use artifact::Error;
use cifar::{Augment, Augmented, Mixed, Normalise, Part, Size, View};

use crate::Net;

/// Batches that a thread has ready before they are wanted.
const AHEAD: usize = 2;

/// A batch as threads make it.
pub(crate) enum Fresh {
    /// Images.
    Images(cifar::Batch),
    /// How images are shown that lie on the device, and their labels.
    #[cfg(feature = "cuda")]
    Shown(Vec<cifar::Shown>, Vec<u16>),
}

/// What batches are made of.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The images.
    pub part: &'a Part,
    /// Height and width that the network takes.
    pub size: Size,
    /// How bytes become numbers.
    pub normalise: &'a Normalise,
    /// Random changes of each image, with seed and epoch.
    pub augment: Option<(Augment, u64, usize)>,
    /// Threads that make them; what they make does not depend on it.
    pub workers: usize,
    /// Whether the images lie on the device.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "they never do"))]
    pub resident: bool,
}

impl<'a> Source<'a> {
    /// The images of `part` for `net`, as they are, made by one thread.
    pub(crate) fn new(net: &Net, part: &'a Part, normalise: &'a Normalise) -> Self {
        let (images, resident) = (net.graph().images(), !net.device().is_cpu());
        let size = Size { height: images.h, width: images.w };
        Self { part, size, normalise, augment: None, workers: 1, resident }
    }

    fn fresh(&self, indices: &[usize]) -> artifact::Result<Fresh> {
        let augmented =
            self.augment.map(|(augment, seed, epoch)| Augmented { augment, seed, epoch });
        let view = View { normalise: self.normalise, size: self.size, augmented };
        #[cfg(feature = "cuda")]
        if self.resident {
            let labels = indices.iter().map(|&i| self.part.label(i)).collect();
            return Ok(Fresh::Shown(cifar::shown(self.part, indices, &view), labels));
        }
        cifar::batch(self.part, indices, &view).map(Fresh::Images)
    }
}

impl Fresh {
    /// The class of each image.
    pub(crate) fn labels(&self) -> &[u16] {
        match self {
            Self::Images(batch) => &batch.labels,
            #[cfg(feature = "cuda")]
            Self::Shown(_, labels) => labels,
        }
    }

    /// The same images mixed as `mixed` says; those that lie on a device are mixed there.
    pub(crate) fn mixed(self, mixed: Option<&Mixed>) -> Self {
        match (self, mixed) {
            (Self::Images(mut batch), Some(mixed)) => {
                mixed.apply(&mut batch);
                Self::Images(batch)
            }
            (fresh, _) => fresh,
        }
    }

    /// The same images, each flipped left to right.
    pub(crate) fn mirrored(&self) -> Self {
        match self {
            Self::Images(batch) => Self::Images(batch.mirrored()),
            #[cfg(feature = "cuda")]
            Self::Shown(all, labels) => {
                let mut all = all.clone();
                for shown in &mut all {
                    shown.pose.flip = !shown.pose.flip;
                }
                Self::Shown(all, labels.clone())
            }
        }
    }
}

/// Batches in the order in which they were asked for, whichever thread made them.
pub(crate) struct Loaded {
    workers: Vec<Receiver<artifact::Result<Fresh>>>,
    taken: usize,
}

impl Iterator for Loaded {
    type Item = artifact::Result<Fresh>;

    fn next(&mut self) -> Option<Self::Item> {
        // Threads take turns; the one whose turn it is at the end has none left.
        let batch = self.workers[self.taken % self.workers.len()].recv().ok();
        self.taken += 1;
        batch
    }
}

/// The batches of `batches`, one list of images each, in this order. The threads end with the last
/// batches, or when nobody receives any more. A batch is an error where its images cannot be read.
///
/// # Errors
/// `Resource` where no thread can be started.
pub(crate) fn load<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    source: Source<'scope>,
    batches: &(impl Iterator<Item = &'scope [usize]> + Clone + Send + 'scope),
) -> artifact::Result<Loaded> {
    let count = source.workers.max(1);
    let worker = |first: usize| {
        let (send, receive) = sync_channel(AHEAD);
        let own = batches.clone().skip(first).step_by(count);
        let work = move || {
            for indices in own {
                if send.send(source.fresh(indices)).is_err() {
                    return;
                }
            }
        };
        Builder::new().spawn_scoped(scope, work).map_err(|e| {
            Error::Resource(format!("--workers {count}: a thread cannot be started: {e}"))
        })?;
        Ok(receive)
    };
    Ok(Loaded { workers: (0..count).map(worker).collect::<artifact::Result<_>>()?, taken: 0 })
}
