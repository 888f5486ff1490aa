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

pub(super) use forward::{Transformed, run};
pub(super) use tiles::Tiles;
pub(super) use weight_grad::weight_grad;
pub(super) use weights::transform as transform_weights;

use super::Conv;
use crate::{Sides, Size, Window, isa};

/// Products of one tile.
const POINTS: usize = 36;
/// Outputs of a tile along one side.
const OUT: usize = 4;
/// Inputs of a tile along one side.
const IN: usize = 6;

/// Whether the convolution is one that tiles can compute with profit.
pub(super) fn fits(conv: &Conv) -> bool {
    let Window { kernel, stride, dilation, padding } = conv.window;
    let one = Size::square(1);
    if kernel != Size::square(3) || stride != one || dilation != one || isa::plain() == Ok(true) {
        return false;
    }
    let Sides { top, left, bottom, right } = padding;
    let tiles = conv.oh().div_ceil(OUT) * conv.ow().div_ceil(OUT);
    // A tile's 36 products and its transforms are worth about 60 of the direct ones.
    [top, left, bottom, right].iter().all(|side| *side <= 2)
        && conv.inputs.min(conv.outputs) >= 8
        && tiles * 60 <= conv.oh() * conv.ow() * conv.taps()
}
