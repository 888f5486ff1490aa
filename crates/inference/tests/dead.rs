//! Dead channels go, live ones stay, and the answers are the same.

mod common;

#[path = "dead/by_hand.rs"]
mod by_hand;
#[path = "dead/moved.rs"]
mod moved;
#[path = "dead/random.rs"]
mod random;
#[path = "dead/zoo.rs"]
mod zoo;

use common::reference::logits;
use inference::{Network, Removed};

/// Asserts that `network` answers the same without its dead channels, of which none are then left.
#[track_caller]
fn check(network: &Network, seed: u64) -> (Network, Removed) {
    let (thin, removed) = network.clone().without_dead_channels();
    let image = common::image(network, seed);
    common::close(&logits(&thin, &image), &logits(network, &image), 1e-5);
    let (again, more) = thin.clone().without_dead_channels();
    assert_eq!(more.channels, 0, "more goes at the second time: {:?}", more.layers);
    assert!(again == thin, "nothing goes, but something changes");
    (thin, removed)
}
