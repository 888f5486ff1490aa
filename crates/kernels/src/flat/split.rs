//! How a dense convolution of one image is split for several threads.

use super::Conv;
use crate::conv::micro::ROWS;

/// Vectors of a task below which those that are not full would cost too much.
pub(super) const VECTORS: usize = 6;
/// Panels of a task below which copying its source would take as long as computing.
const PANELS: usize = 4;
/// Multiply-adds of a task that make the time to hand it to another thread negligible.
const WORK: usize = 200_000;

/// Tasks beside each other, and one below the other: each has some of the tiles and some of the panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub across: usize,
    pub down: usize,
}

impl Split {
    /// At most `tasks`: of different tiles first, since tasks that share one copy it each.
    pub fn of(conv: &Conv, tiles: usize, tasks: usize) -> Self {
        let work = conv.weight_len().saturating_mul(conv.output.h * conv.output.w);
        let tasks = tasks.min(work / WORK);
        let panels = conv.output.channels.div_ceil(ROWS);
        let across = tasks.min(tiles).max(1);
        Self { across, down: (tasks / across).min(panels / PANELS).max(1) }
    }
}
