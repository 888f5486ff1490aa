//! Batches made ready beside the computation, by threads of their own.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use cifar::{Augment, Batch, Normalise, Part};

/// Batches that a thread has ready before they are wanted.
const AHEAD: usize = 2;

/// What batches are made of.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The images.
    pub part: &'a Part,
    /// Height and width in pixels that the network takes.
    pub side: usize,
    /// How bytes become numbers.
    pub normalise: &'a Normalise,
    /// Random changes of each image, with seed and epoch.
    pub augment: Option<(Augment, u64, usize)>,
    /// Threads that make them; what they make does not depend on it.
    pub workers: usize,
}

/// Batches in the order in which they were asked for, whichever thread made them.
pub(crate) struct Loaded {
    workers: Vec<Receiver<Batch>>,
    taken: usize,
}

impl Iterator for Loaded {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        // Threads take turns; the one whose turn it is at the end has none left.
        let batch = self.workers[self.taken % self.workers.len()].recv().ok();
        self.taken += 1;
        batch
    }
}

/// The batches of `batches`, one list of images each, in this order. The threads end with the last
/// batches, or when nobody receives any more.
pub(crate) fn load<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    source: Source<'scope>,
    batches: &(impl Iterator<Item = &'scope [usize]> + Clone + Send + 'scope),
) -> Loaded {
    let count = source.workers.max(1);
    let worker = |first: usize| {
        let (send, receive) = sync_channel(AHEAD);
        let own = batches.clone().skip(first).step_by(count);
        scope.spawn(move || {
            let augment = source.augment.as_ref().map(|(a, seed, epoch)| (a, *seed, *epoch));
            for indices in own {
                let how = (source.normalise, source.side);
                if send.send(cifar::batch(source.part, indices, how, augment)).is_err() {
                    return;
                }
            }
        });
        receive
    };
    Loaded { workers: (0..count).map(worker).collect(), taken: 0 }
}
