//! What a convolution and its input gradient have in common: each output is a weighted sum over
//! a window of what is read, and the windows of neighbours lie one pixel apart.
//!
//! A stride is taken out beforehand. Where it is on what is read (forward), the source is split
//! into maps of every `step`-th pixel, one for each phase that a tap reads; where it is on what is
//! written (input gradient), there is a stencil for the outputs of each phase.

use std::ops::Range;

use super::Conv;
use super::tiling::Item;
use crate::{LANES, Size};

/// A weight of the window, and where it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tap {
    /// `ky * kernel.w + kx`.
    pub index: usize,
    /// Pixels below the window's first.
    pub row: usize,
    /// Pixels to the right of the window's first.
    pub column: usize,
}

/// Sums over windows of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stencil {
    pub blocks: usize,
    /// Channels and size of the source.
    pub channels: usize,
    pub h: usize,
    pub w: usize,
    /// Distance of the windows in the source.
    pub step: Size,
    /// Zeros before the source's first row and column (negative: rows left out).
    pub top: isize,
    pub left: isize,
    pub taps: Vec<Tap>,
    /// Channels computed.
    pub outputs: usize,
    /// Windows down and across.
    pub rows: usize,
    pub columns: usize,
    /// Where the sums go.
    pub grid: Grid,
}

/// Every `step`-th pixel of a map of `h` x `w`, from (`y`, `x`) on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub h: usize,
    pub w: usize,
    pub step: Size,
    pub y: usize,
    pub x: usize,
}

/// A tap along one axis of an input gradient: the weight's index there, and how many windows
/// behind its pixel's the output lies that it reads.
struct Along {
    k: usize,
    shift: isize,
}

/// The taps of the pixels of one `phase` of the stride, where output `o` reads the pixels
/// `o * stride + k * dilation - padding`, so that pixel `p * stride + phase` is read by output
/// `p + (phase + padding - k * dilation) / stride`, where that is whole.
fn along(conv: &Conv, phase: usize, axis: fn(Size) -> usize, padding: usize) -> Vec<Along> {
    let (window, first) = (conv.window, (phase + padding) as isize);
    let (stride, dilation) = (axis(window.stride) as isize, axis(window.dilation) as isize);
    let at = |k: usize| first - k as isize * dilation;
    let read = (0..axis(window.kernel)).filter(|k| at(*k).rem_euclid(stride) == 0);
    read.map(|k| Along { k, shift: at(k).div_euclid(stride) }).collect()
}

impl Stencil {
    /// `y = conv(x)`.
    pub(crate) fn forward(conv: &Conv) -> Self {
        Self::between(conv, Size { h: conv.h, w: conv.w }, conv.output()).in_a_row()
    }

    /// The windows of `conv` over maps of another size: `source`, and `target` where the sums go.
    pub(crate) fn between(conv: &Conv, source: Size, target: Size) -> Self {
        let (window, Size { h: rows, w: columns }) = (conv.window, target);
        let taps = (0..conv.taps()).map(|index| {
            let (ky, kx) = (index / window.kernel.w, index % window.kernel.w);
            Tap { index, row: ky * window.dilation.h, column: kx * window.dilation.w }
        });
        Self {
            blocks: conv.lanes.blocks(),
            channels: conv.inputs,
            h: source.h,
            w: source.w,
            step: window.stride,
            top: window.padding.top as isize,
            left: window.padding.left as isize,
            taps: taps.collect(),
            outputs: conv.outputs,
            rows,
            columns,
            grid: Grid { h: rows, w: columns, step: Size::square(1), y: 0, x: 0 },
        }
    }

    /// A stencil of single pixels has them all in one row, which is shared out as one likes.
    pub(crate) fn in_a_row(self) -> Self {
        let Self { h, w, taps, grid, .. } = &self;
        let alone = taps.len() == 1 && (taps[0].row, taps[0].column) == (0, 0);
        let all = (self.rows, self.columns) == (*h, *w) && (grid.h, grid.w) == (*h, *w);
        let steps = [self.step, grid.step].iter().all(|step| *step == Size::square(1));
        if !alone || !all || !steps || (self.top, self.left) != (0, 0) {
            return self;
        }
        let pixels = h * w;
        let grid = Grid { h: 1, w: pixels, ..*grid };
        Self { h: 1, w: pixels, rows: 1, columns: pixels, grid, ..self }
    }

    /// `dx` from `dy`: one stencil for the pixels of each phase of the stride. Some have no taps.
    pub(crate) fn input_grad(conv: &Conv) -> Vec<Self> {
        let stride = conv.window.stride;
        let of = |i: usize| Self::phase(conv, i / stride.w, i % stride.w);
        (0..stride.pixels()).map(of).filter(|s| s.rows > 0 && s.columns > 0).collect()
    }

    fn phase(conv: &Conv, y: usize, x: usize) -> Self {
        let (window, output) = (conv.window, conv.output());
        let down = along(conv, y, |s| s.h, window.padding.top);
        let across = along(conv, x, |s| s.w, window.padding.left);
        let least = |all: &[Along]| all.iter().map(|a| a.shift).min().unwrap_or(0);
        let (top, left) = (-least(&down), -least(&across));
        let taps = down.iter().flat_map(|down| {
            across.iter().map(move |across| Tap {
                index: down.k * window.kernel.w + across.k,
                row: (down.shift + top) as usize,
                column: (across.shift + left) as usize,
            })
        });
        let stencil = Self {
            blocks: conv.lanes.blocks(),
            channels: conv.outputs,
            h: output.h,
            w: output.w,
            step: Size::square(1),
            top,
            left,
            taps: taps.collect(),
            outputs: conv.inputs,
            rows: conv.h.saturating_sub(y).div_ceil(window.stride.h),
            columns: conv.w.saturating_sub(x).div_ceil(window.stride.w),
            grid: Grid { h: conv.h, w: conv.w, step: window.stride, y, x },
        };
        stencil.in_a_row()
    }

    /// The farthest row and column of the taps.
    pub(crate) fn reach(&self) -> Size {
        let most = |of: fn(&Tap) -> usize| self.taps.iter().map(of).max().unwrap_or(0);
        Size { h: most(|t| t.row), w: most(|t| t.column) }
    }

    /// Whether windows can be read where the source lies, because none reaches beyond it, and are
    /// read as fast there as from a copy: channels whose distance is a multiple of sixteen cache
    /// lines share a few sets of the cache.
    pub(crate) fn lies_well(&self) -> bool {
        let reach = self.reach();
        (self.top, self.left, self.step) == (0, 0, Size::square(1))
            && self.rows + reach.h <= self.h
            && self.columns + reach.w <= self.w
            && !(self.h * self.w).is_multiple_of(16)
    }

    /// Where the windows of `item` of `output` are written, a range a row.
    ///
    /// They lie one behind the other where the output has no stride, as in every forward pass.
    pub(crate) fn written(&self, item: &Item, output: usize) -> impl Iterator<Item = Range<usize>> {
        let len = item.columns.len() * LANES;
        let places = item.blocks.clone().flat_map(|b| item.rows.clone().map(move |row| (b, row)));
        let first = move |(block, row)| self.target(block, row, item.columns.start);
        places
            .map(first)
            .map(move |to| output * self.plane() + to..output * self.plane() + to + len)
    }

    /// Where window (`row`, `column`) of (`block`, output channel 0) is written.
    pub(crate) fn target(&self, block: usize, row: usize, column: usize) -> usize {
        let g = self.grid;
        let map = block * self.outputs * g.h + g.y + row * g.step.h;
        (map * g.w + g.x + column * g.step.w) * LANES
    }

    /// Values of one output channel of one block.
    pub(crate) fn plane(&self) -> usize {
        self.grid.h * self.grid.w * LANES
    }
}
