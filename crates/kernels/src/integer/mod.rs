//! Inference in integers: activations of eight bits without a sign, weights of eight bits with one, sums
//! of 32 bits.
//!
//! Activations lie as `(blocks, quads of channels, height, width, 16)` [words](Word): as vectors of floats
//! do, with four channels where these have one. So one vector is a pixel of sixteen images and four
//! channels, and what shares out windows and copies them near serves both.
//!
//! Every sum is exact, so that all instructions, any order and any number of threads give the same bits.
//! What follows a sum is computed in f32, one rounding an operation, and is the same everywhere too:
//! [`Ending::value`] and [`Rounding`] are the specification.

mod conv;
mod depthwise;
mod dot;
mod ending;
mod floats;
mod isa;
mod layout;
mod lists;
#[cfg(target_arch = "x86_64")]
mod matrix;
mod narrow;
mod panels;
pub mod peak;
mod planes;
mod pointwise;
mod pool;
mod products;
mod quads;
mod reader;
mod straight;
mod task;
mod words;

pub use conv::{Arrangement, Input, Method, Output, Weights};
pub use depthwise::Depthwise;
pub use ending::{Ending, Summand};
pub use floats::{from_floats, round_images, to_floats};
pub use isa::Instructions;
pub use layout::Layout;
pub use pointwise::{Pointwise, Value, flatten};
pub use pool::{Averages, Max, Padding, Rounded};
pub use quads::Quads;
pub use straight::{round_rows, round_values, rounded_weight, stop_saturated, weight_scale};
pub use words::{Maps, Word, quads};

/// What the integers of an activation stand for: `scale * (q - zero)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounding {
    /// The distance of two neighbours; positive.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero: u8,
}

impl Rounding {
    /// The integer of `value`: the nearest, of two equally near the even one, within 0 to 255.
    #[inline(always)]
    pub fn rounded(self, value: f32) -> u8 {
        let steps = (value * self.inverse()).round_ties_even() + f32::from(self.zero);
        steps.clamp(0.0, 255.0) as u8
    }

    /// One over the scale, rounded once, whoever computes it.
    fn inverse(self) -> f32 {
        1.0 / self.scale
    }

    /// What the integer `q` stands for.
    #[inline(always)]
    pub fn value(self, q: u8) -> f32 {
        self.scale * (i32::from(q) - i32::from(self.zero)) as f32
    }
}
