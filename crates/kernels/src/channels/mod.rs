//! Operations on whole channels: concatenation, slices, shuffles, padding, a factor or a shift a
//! channel.

mod affine;
mod moves;

pub use affine::{scale, scale_backward, shift, shift_backward};
pub use moves::{Part, Shuffle, Span, concat, pad, shuffle, slice};
