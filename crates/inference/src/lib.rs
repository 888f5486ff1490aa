//! Runs a network for its answers alone.

mod dead;
mod network;

pub use dead::Removed;
pub use network::{Conv, Kind, Layer, Network};
