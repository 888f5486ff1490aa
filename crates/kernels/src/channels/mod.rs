//! Operations on whole channels: concatenation, slices, shuffles, padding, channels in any order, a
//! factor or a shift a channel.

mod affine;
mod gather;
mod moves;

pub use affine::{scale, scale_backward, shift, shift_backward};
pub(crate) use gather::check;
pub use gather::{Source, gather};
pub use moves::{Part, Shuffle, Span, concat, pad, shuffle, slice};
