//! Batches made ready beside the computation, by a thread of their own.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use cifar::{Augment, Batch, Normalise, Part};

/// Batches ready before they are wanted.
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
}

/// The batches of `batches`, one list of images each, in this order. The thread ends with the last
/// batch, or when nobody receives any more.
pub(crate) fn load<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    source: Source<'scope>,
    batches: impl Iterator<Item = &'scope [usize]> + Send + 'scope,
) -> Receiver<Batch> {
    let (send, receive) = sync_channel(AHEAD);
    scope.spawn(move || {
        let augment = source.augment.as_ref().map(|(a, seed, epoch)| (a, *seed, *epoch));
        for indices in batches {
            let batch =
                cifar::batch(source.part, indices, (source.normalise, source.side), augment);
            if send.send(batch).is_err() {
                return;
            }
        }
    });
    receive
}
