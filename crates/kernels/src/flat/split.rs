//! How a dense convolution of one image is split for several threads.

use super::Conv;
use crate::conv::micro::ROWS;

/// Vectors of a task below which those that are not full would cost too much.
pub(super) const VECTORS: usize = 6;
/// Panels of a task that make the time to copy its source negligible, and below which copying would take as
/// long as computing.
const PANELS: (usize, usize) = (16, 4);
/// Multiply-adds of a task of [`super::Dense`] that make the time to hand it to another thread negligible.
const WORK: usize = 200_000;

/// Tasks beside each other, and one below the other: each has some of the tiles and some of the panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub across: usize,
    pub down: usize,
}

impl Split {
    /// At most `tasks`, of different `tiles` first: those that share one copy it each, if anything is
    /// copied. More tasks than threads share a tile only where copying it is negligible.
    pub fn of(conv: &Conv, (tiles, copies): (usize, bool), tasks: usize) -> Self {
        let tasks = worthwhile(conv, WORK, tasks);
        let panels = conv.output.channels.div_ceil(ROWS);
        let across = tasks.min(tiles).max(1);
        let most = if copies {
            let threads = tasks.min(rayon::current_num_threads()) / across;
            (panels / PANELS.0).max(threads.min(panels / PANELS.1))
        } else {
            panels
        };
        Self { across, down: (tasks / across).min(most).max(1) }
    }
}

/// At most `tasks`, of `least` multiply-adds each or more.
pub(super) fn worthwhile(conv: &Conv, least: usize, tasks: usize) -> usize {
    let work = conv.weight_len().saturating_mul(conv.output.h * conv.output.w);
    tasks.min(work / least).max(1)
}
