//! The operations, each a check of sizes and a launch.
#![allow(unsafe_code, reason = "a launch trusts its arguments; sizes are checked before each")]

mod average;
mod conv;
mod elementwise;
mod images;
mod loss;
mod norm;
mod optimiser;
mod pool;

pub use images::{Draw, Images};
pub use loss::Target;
pub use norm::{Norm, NormParams};
pub use optimiser::{Fused, Parameter};

use crate::Buffer;
use crate::compile::{Kernel, Source};

fn elementwise(name: &'static str, like: &Buffer, len: usize) -> Kernel {
    Source::Elementwise.kernel(name, like.kind(), len)
}
