//! Runs a network for its answers alone.

mod block;
mod buffers;
mod flat;
mod network;
mod plan;
mod run;
mod times;

pub use network::{Conv, Kind, Layer, Network};
pub use plan::{Plan, Use};
pub use times::Unknown;
