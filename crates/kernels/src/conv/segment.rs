//! Windows that are computed together.

use super::stencil::Stencil;
use super::tiling::{Item, Tiling};
use crate::{LANES, isa};

/// A few windows, `rows` x `columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub rows: usize,
    pub columns: usize,
    /// Where the first stands in what is read.
    pub at: usize,
    /// Where the first is written, for output 0.
    pub to: usize,
}

/// Windows whose sums fit the registers: there are 32 of sixteen values, or 16 of eight.
fn most() -> usize {
    if isa::width() == LANES { 16 } else { 4 }
}

/// The windows of `item` of a stencil of floats in segments.
pub(crate) fn of_floats(s: &Stencil, tiling: &Tiling, item: &Item) -> Vec<Segment> {
    segments(tiling, item, most(), |block, row, column| {
        let (down, across) = (item.rows.start + row, item.columns.start + column);
        s.target(item.blocks.start + block, down, across)
    })
}

/// The windows of `item` in segments of at most `most`; window (block of the item, row, column) is written to
/// `place`, for output 0.
pub(crate) fn segments(
    tiling: &Tiling,
    item: &Item,
    most: usize,
    place: impl Fn(usize, usize, usize) -> usize,
) -> Vec<Segment> {
    let width = item.columns.len();
    let mut all = Vec::new();
    for block in 0..item.blocks.len() {
        let mut row = 0;
        while row < item.rows.len() {
            let rows = match (most / width, item.rows.len() - row) {
                (4.., 4..) if width * 4 == most => 4,
                (2.., 2..) if width * 2 == most => 2,
                _ => 1,
            };
            let mut column = 0;
            while column < width {
                let mut columns = most;
                while columns > width - column {
                    columns /= 2;
                }
                let at = tiling.window(block, row, column);
                all.push(Segment { rows, columns, at, to: place(block, row, column) });
                column += columns;
            }
            row += rows;
        }
    }
    all
}
