//! How a convolution of one image is split for several threads.

use super::Conv;
use crate::conv::micro::ROWS;

/// Least vectors of a task: with fewer, those that are only partly filled would cost too much.
pub(super) const LEAST_VECTORS: usize = 6;
/// With this many panels a task's products make the time to copy its source negligible.
const CHEAP_COPY: usize = 16;
/// With fewer panels than this, a task would copy as long as it computes.
const LEAST_PANELS: usize = 4;
/// Multiply-adds of a task of [`super::Dense`] that make the time to hand it to another thread negligible.
const WORK: usize = 200_000;

/// A grid of tasks: `across` ranges of tiles by `down` ranges of panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub across: usize,
    pub down: usize,
}

impl Split {
    /// Splits into at most about `tasks`, first by tile, then by panel. If tiles are copied (`copies`), tasks that
    /// share one each copy it, so more tasks than `threads` share a tile only where the cost of that copy is
    /// negligible.
    pub fn of(conv: &Conv, tiles: usize, copies: bool, (tasks, threads): (usize, usize)) -> Self {
        let tasks = worthwhile(conv.weight_len() * conv.output.pixels(), WORK, tasks);
        let panels = conv.output.channels.div_ceil(ROWS);
        let across = tasks.min(tiles).max(1);
        let down = if copies {
            let needed = (tasks.min(threads) / across).min(panels / LEAST_PANELS);
            (tasks / across).min(needed.max(panels / CHEAP_COPY))
        } else {
            tasks.div_ceil(across).min(panels)
        };
        Self { across, down: down.max(1) }
    }
}

/// As many of `tasks` as have `least` multiply-adds of `work` each; at least one.
pub(super) fn worthwhile(work: usize, least: usize, tasks: usize) -> usize {
    tasks.min(work / least).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use crate::flat::Map;

    #[test]
    fn by_tile_first_then_by_panel() {
        let check = |(inputs, outputs, side): (usize, usize, usize), tiles, copies, expected| {
            let map = |channels| Map { channels, h: side, w: side, pad: 1 };
            let window = Window::square(1, 1, 0);
            let conv = Conv { input: map(inputs), output: map(outputs), window, groups: 1 };
            let Split { across, down } = Split::of(&conv, tiles, copies, (8, 2));
            assert_eq!((across, down), expected, "{inputs} to {outputs} of {side}x{side}");
        };
        check((16, 16, 8), 2, false, (1, 1)); // 16,384 multiply-adds
        check((64, 64, 56), 8, true, (8, 1));
        check((64, 64, 56), 5, false, (5, 2));
        check((64, 64, 56), 5, true, (5, 1));
        check((256, 512, 14), 1, true, (1, 4)); // 64 panels
        check((512, 64, 14), 1, true, (1, 2)); // eight panels: one task a thread
        check((512, 32, 14), 1, true, (1, 1));
        check((512, 64, 14), 1, false, (1, 8));
    }
}
