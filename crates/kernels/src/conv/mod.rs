//! 2-d convolution as tiles of matrix products.
//!
//! A tile is a few rows of one block's output. The patches that it reads are laid out as the
//! matrix `(channels * kernel^2, pixels * 16)` for as many input channels as fit the cache, and
//! multiplied with the weights: no patch matrix of a whole batch ever exists. A linear layer is
//! the 1x1 convolution of one pixel.

mod forward;
mod input_grad;
mod patches;
mod product;
mod weight_grad;

pub use forward::forward;
pub use input_grad::input_grad;
pub use weight_grad::{bias_grad, weight_grad};

use crate::{LANES, Lanes, windows};

/// Sizes of a convolution over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// The batch.
    pub lanes: Lanes,
    /// Input channels.
    pub inputs: usize,
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel height and width.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
}

/// Values that one patch matrix may hold: 512 KiB, half of a usual second-level cache.
const PATCH_VALUES: usize = 128 << 10;
/// Output values a channel that a tile aims at.
const TILE_VALUES: usize = 512;

impl Conv {
    /// Output height.
    pub fn oh(&self) -> usize {
        windows(self.h, self.kernel, self.stride, self.padding)
    }

    /// Output width.
    pub fn ow(&self) -> usize {
        windows(self.w, self.kernel, self.stride, self.padding)
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.lanes.blocks() * self.inputs * self.h * self.w * LANES
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        self.lanes.blocks() * self.outputs * self.oh() * self.ow() * LANES
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.outputs * self.row()
    }

    /// Weights of one output channel.
    fn row(&self) -> usize {
        self.inputs * self.taps()
    }

    /// Weights of one (output, input) pair.
    fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Output rows of a tile.
    fn tile_rows(&self) -> usize {
        TILE_VALUES.div_ceil(self.ow() * LANES).clamp(1, self.oh())
    }

    /// Tiles of one block.
    fn tiles(&self) -> usize {
        self.oh().div_ceil(self.tile_rows())
    }

    /// Input channels whose patches of one tile fit the cache.
    fn chunk_channels(&self) -> usize {
        let one = self.taps() * self.tile_rows() * self.ow() * LANES;
        (PATCH_VALUES / one).clamp(1, self.inputs)
    }

    /// Where output row `y` of (block, channel 0) starts.
    fn output_start(&self, block: usize, y: usize) -> usize {
        (block * self.outputs * self.oh() + y) * self.ow() * LANES
    }

    /// The input of (block, channels from `channel` on).
    fn input_start(&self, block: usize, channel: usize) -> usize {
        (block * self.inputs + channel) * self.h * self.w * LANES
    }

    /// The tile `index` of a block.
    fn tile(&self, index: usize) -> Tile {
        let first = index * self.tile_rows();
        let rows = self.tile_rows().min(self.oh() - first);
        Tile { first, rows, len: rows * self.ow() * LANES }
    }
}

/// Some rows of one block's output.
#[derive(Clone, Copy)]
struct Tile {
    /// First output row.
    first: usize,
    /// Output rows.
    rows: usize,
    /// Values of one output channel.
    len: usize,
}
