//! Inference on one image at a time: vectors lie along the flattened map of a channel.
//!
//! With sixteen images innermost a batch of one would compute fifteen for nothing, and the windows
//! of a large map fill the second-level cache. Here a line that has been read serves all windows
//! that it is part of. [`Map`] says where pixels lie; every operation leaves zeros around them.

mod channels;
mod conv;
mod convert;
mod dense;
mod depthwise;
mod elementwise;
mod grouped;
mod image;
mod map;
mod norm;
mod panels;
mod pool;
mod reader;
mod sparse;
mod split;
mod unrolled;
mod vector;
mod winograd;

use std::ops::Range;

pub use channels::{gather, pad_borders};
pub use conv::Conv;
pub use convert::{flatten, from_plain, to_block, to_plain};
pub use dense::Dense;
pub use depthwise::Depthwise;
pub use elementwise::{activation, add, apply, multiply, scale, scale_channels, shift_channels};
pub use grouped::Grouped;
pub use image::{Image, Output};
pub use map::Map;
pub use norm::layer_norm;
pub use pool::{average, max_pool};
use rayon::prelude::*;
pub use sparse::Sparse;
pub use unrolled::Unrolled;
pub use vector::Matrix;
pub use winograd::Winograd;

/// Calls `f` for `0..count` in at most `tasks` parts, on several threads if there are several.
fn parts(count: usize, tasks: usize, f: impl Fn(Range<usize>) + Sync) {
    let tasks = tasks.min(count);
    if tasks <= 1 {
        return f(0..count);
    }
    let part = |t: usize| t * count / tasks..(t + 1) * count / tasks;
    (0..tasks).into_par_iter().for_each(|t| f(part(t)));
}
