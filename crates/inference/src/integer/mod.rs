//! A network in integers: weights and activations of eight bits, everything but the logits.
//!
//! Which integers stand for which values is decided beforehand, on images ([`Roundings`]). Convolutions and
//! linear layers multiply integers; what follows their sums, and every other layer, is computed in f32 from the
//! values that the integers stand for, and rounded again. Every sum is exact, so that the answers are the
//! same bits for any number of threads, any batch and any instructions.

mod layer;
mod plan;
mod ranges;
mod times;
mod weights;

pub use layer::check;
pub use packed::IntegerWeights;
pub use plan::{How, IntegerPlan, Roundings};
pub use ranges::roundings;
pub use weights::integers;
