//! Inference on one image at a time: vectors lie along the flattened map of a channel.
//!
//! With sixteen images innermost a batch of one would compute fifteen for nothing, and the windows
//! of a large map fill the second-level cache. Here a line that has been read serves all windows
//! that it is part of. [`Map`] says where pixels lie; every operation leaves zeros around them.

mod conv;
mod convert;
mod dense;
mod elementwise;
mod map;
mod pool;
mod sparse;
mod vector;

use std::ops::Range;

pub use conv::Conv;
pub use convert::{from_plain, to_block, to_plain};
pub use dense::Dense;
pub use elementwise::{add, relu, scale, sigmoid, silu};
pub use map::Map;
pub use pool::{average, max_pool};
use rayon::prelude::*;
pub use sparse::Sparse;
pub use vector::Matrix;

/// What happens to a convolution's sums before they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends<'a> {
    /// Added to each output channel, one value a channel; empty for none.
    pub bias: &'a [f32],
    /// Added to the output, an image of the same map; empty for none.
    pub add: &'a [f32],
    /// Whether what is negative then becomes 0.
    pub relu: bool,
}

impl Ends<'_> {
    fn check(&self, conv: &Conv) {
        assert!(self.bias.is_empty() || self.bias.len() == conv.output.channels, "bias");
        assert!(self.add.is_empty() || self.add.len() == conv.output.len(), "summand");
    }

    fn bias_of(&self, output: usize) -> f32 {
        self.bias.get(output).copied().unwrap_or(0.0)
    }
}

/// Calls `f` for `0..count` in at most `tasks` parts, on several threads if there are several.
fn parts(count: usize, tasks: usize, f: impl Fn(Range<usize>) + Sync) {
    let tasks = tasks.min(count);
    if tasks <= 1 {
        return f(0..count);
    }
    let part = |t: usize| t * count / tasks..(t + 1) * count / tasks;
    (0..tasks).into_par_iter().for_each(|t| f(part(t)));
}
