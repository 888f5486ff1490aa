//! Dense 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3): 36 products give sixteen outputs
//! that take 144 when computed directly.
//!
//! Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), but with the points
//! 0, 0.75, -0.75, 1.5, -1.5 and infinity instead of their 0, 1, -1, 2, -2 and infinity: these err
//! less (see [`transform`]). Tiles of sixteen images are transformed a register at a time;
//! the 36 products of matrices in between run on panels that the transforms write as they are
//! read, so nothing is packed.

mod forward;
mod tiles;
mod transform;
mod weight_grad;
mod weights;

pub(crate) use forward::{Ending, Part, Places, Points, Sums, Transformed, run};
pub(crate) use tiles::{Square, Tiles};
pub(super) use weight_grad::weight_grad;
pub(crate) use weights::transform as transform_weights;

use super::Conv;
use crate::{Sides, Size, Window, isa};

/// Products of one tile.
const POINTS: usize = 36;
/// Outputs of a tile along one side.
pub(crate) const OUT: usize = 4;
/// Inputs of a tile along one side.
pub(crate) const IN: usize = 6;

/// Whether the convolution is one that tiles can compute with profit.
pub(super) fn fits(conv: &Conv) -> bool {
    let tiles = conv.oh().div_ceil(OUT) * conv.ow().div_ceil(OUT);
    suits(&conv.window)
        && conv.inputs.min(conv.outputs) >= 8
        && tiles * WORTH <= conv.oh() * conv.ow() * conv.taps()
}

/// Direct products of a vector that take as long as a tile's: its 36 and its transforms.
pub(crate) const WORTH: usize = 60;

/// Whether tiles can compute what `window` reads.
pub(crate) fn suits(window: &Window) -> bool {
    let Window { kernel, stride, dilation, padding } = *window;
    let one = Size::square(1);
    let Sides { top, left, bottom, right } = padding;
    (kernel, stride, dilation) == (Size::square(3), one, one)
        && [top, left, bottom, right].iter().all(|side| *side <= 2)
        && isa::plain() != Ok(true)
}
