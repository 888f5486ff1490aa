//! The operations, each a check of sizes and a launch.
#![allow(unsafe_code, reason = "a launch trusts its arguments; sizes are checked before each")]

mod activation;
mod conv;
mod elementwise;
mod images;
mod layer_norm;
mod loss;
mod moves;
mod norm;
mod optimiser;
mod pool;
mod sums;

pub use images::{Draw, Images, Pictures, Resized};
pub use layer_norm::LayerNorm;
pub use loss::Target;
pub use norm::{Norm, NormParams};
pub use optimiser::{Fused, Parameter};

use crate::Buffer;
use crate::compile::{Kernel, Source};

fn elementwise(name: &'static str, like: &Buffer, len: usize) -> Kernel {
    Source::Elementwise.kernel(name, like.kind(), len)
}
