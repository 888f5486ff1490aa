//! Runs a network for its answers alone.

mod network;

pub use network::{Conv, Kind, Layer, Network};
