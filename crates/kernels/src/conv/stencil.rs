//! What a convolution and its input gradient have in common: each output is a weighted sum over
//! a window of what is read, and the windows of neighbours lie one pixel apart.
//!
//! A stride is taken out beforehand. Where it is on what is read (forward), the source is split
//! into `step * step` maps of every `step`-th pixel; where it is on what is written (input
//! gradient), there are `step * step` stencils, one for the outputs of each phase.

use std::ops::Range;

use super::Conv;
use crate::LANES;

/// A weight of the window, and where it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// `ky * kernel + kx`.
    pub index: usize,
    /// Pixels below the window's first.
    pub row: usize,
    /// Pixels to the right of the window's first.
    pub column: usize,
}

/// Sums over windows of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stencil {
    pub blocks: usize,
    /// Channels and size of the source.
    pub channels: usize,
    pub h: usize,
    pub w: usize,
    /// Distance of the windows in the source.
    pub step: usize,
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
pub(super) struct Grid {
    pub h: usize,
    pub w: usize,
    pub step: usize,
    pub y: usize,
    pub x: usize,
}

impl Stencil {
    /// `y = conv(x)`.
    pub(super) fn forward(conv: &Conv) -> Self {
        let taps = (0..conv.taps()).map(|index| {
            let (row, column) = (index / conv.kernel, index % conv.kernel);
            Tap { index, row, column }
        });
        Self {
            blocks: conv.lanes.blocks(),
            channels: conv.inputs,
            h: conv.h,
            w: conv.w,
            step: conv.stride,
            top: conv.padding as isize,
            left: conv.padding as isize,
            taps: taps.collect(),
            outputs: conv.outputs,
            rows: conv.oh(),
            columns: conv.ow(),
            grid: Grid { h: conv.oh(), w: conv.ow(), step: 1, y: 0, x: 0 },
        }
    }

    /// `dx` from `dy`: one stencil for the pixels of each phase of the stride. Some have no taps.
    pub(super) fn input_grad(conv: &Conv) -> Vec<Self> {
        let phases = conv.stride.min(conv.h) * conv.stride;
        let of = |i: usize| Self::phase(conv, i / conv.stride, i % conv.stride);
        (0..phases).map(of).filter(|s| s.rows > 0 && s.columns > 0).collect()
    }

    fn phase(conv: &Conv, y: usize, x: usize) -> Self {
        // Output row `o` reads input row `o * stride + k - padding`, so that input row
        // `r * stride + y` is read by output row `r + (y + padding - k) / stride`.
        let along = |phase: usize| -> Vec<(usize, isize)> {
            let shift = |k: usize| (phase + conv.padding) as isize - k as isize;
            (0..conv.kernel)
                .filter(|&k| shift(k).rem_euclid(conv.stride as isize) == 0)
                .map(|k| (k, shift(k).div_euclid(conv.stride as isize)))
                .collect()
        };
        let (down, across) = (along(y), along(x));
        let least = |all: &[(usize, isize)]| all.iter().map(|(_, o)| *o).min().unwrap_or(0);
        let (top, left) = (-least(&down), -least(&across));
        let taps = down.iter().flat_map(|&(ky, dy)| {
            across.iter().map(move |&(kx, dx)| Tap {
                index: ky * conv.kernel + kx,
                row: (dy + top) as usize,
                column: (dx + left) as usize,
            })
        });
        Self {
            blocks: conv.lanes.blocks(),
            channels: conv.outputs,
            h: conv.oh(),
            w: conv.ow(),
            step: 1,
            top,
            left,
            taps: taps.collect(),
            outputs: conv.inputs,
            rows: conv.h.saturating_sub(y).div_ceil(conv.stride),
            columns: conv.w.saturating_sub(x).div_ceil(conv.stride),
            grid: Grid { h: conv.h, w: conv.w, step: conv.stride, y, x },
        }
    }

    /// Where window (`row`, `column`) of (`block`, output channel 0) is written.
    pub(super) fn target(&self, block: usize, row: usize, column: usize) -> usize {
        let g = self.grid;
        let map = block * self.outputs * g.h + g.y + row * g.step;
        (map * g.w + g.x + column * g.step) * LANES
    }

    /// Values of one output channel of one block.
    pub(super) fn plane(&self) -> usize {
        self.grid.h * self.grid.w * LANES
    }
}

/// Windows that one task computes, and how their source lies in its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tiling {
    /// Blocks of an item.
    pub blocks: usize,
    /// Rows of windows of an item.
    pub rows: usize,
    /// Items.
    pub items: usize,
    /// Values between rows of one map of the room.
    pub pitch: usize,
    /// Values of one map of the room.
    map: usize,
    /// Values of one channel of one block.
    channel: usize,
    /// Channels that are in the room at the same time.
    pub chunk: usize,
    /// Items down one block.
    down: usize,
    /// Which of the maps that a stride makes any tap reads.
    read: Vec<bool>,
}

/// The windows of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub blocks: Range<usize>,
    pub rows: Range<usize>,
}

impl Tiling {
    /// Items of about `windows` windows, with `room` values for their source.
    ///
    /// Where a tap reads does not depend on the number of blocks.
    pub(super) fn new(s: &Stencil, windows: usize, room: usize) -> Self {
        let rows = (windows / s.columns).clamp(1, s.rows);
        let whole = rows == s.rows;
        let blocks = if whole { (windows / (s.rows * s.columns)).max(1) } else { 1 };
        let reach = |f: fn(&Tap) -> usize| s.taps.iter().map(f).max().unwrap_or(0) / s.step;
        let (high, wide) = (rows + reach(|t| t.row), s.columns + reach(|t| t.column));
        let map = high * wide * LANES;
        let channel = s.step * s.step * map;
        let down = s.rows.div_ceil(rows);
        let at = |t: &Tap| t.row % s.step * s.step + t.column % s.step;
        let read = (0..s.step * s.step).map(|map| s.taps.iter().any(|t| at(t) == map)).collect();
        Self {
            blocks,
            rows,
            items: s.blocks.div_ceil(blocks) * down,
            pitch: wide * LANES,
            map,
            channel,
            chunk: s.channels.div_ceil(s.channels.div_ceil((room / (blocks * channel)).max(1))),
            down,
            read,
        }
    }

    pub(super) fn item(&self, s: &Stencil, index: usize) -> Item {
        let (block, row) = (index / self.down * self.blocks, index % self.down * self.rows);
        Item {
            blocks: block..(block + self.blocks).min(s.blocks),
            rows: row..(row + self.rows).min(s.rows),
        }
    }

    /// Where `tap` of a window reads, from where the window stands.
    pub(super) fn tap(&self, s: &Stencil, tap: Tap) -> usize {
        let map = tap.row % s.step * s.step + tap.column % s.step;
        map * self.map + tap.row / s.step * self.pitch + tap.column / s.step * LANES
    }

    /// Where each tap of each channel of a chunk reads, in the order (channel, tap).
    pub(super) fn taps(&self, s: &Stencil) -> Vec<u32> {
        let all = (0..self.chunk)
            .flat_map(|c| s.taps.iter().map(move |t| self.channel(c) + self.tap(s, *t)));
        all.map(|at| u32::try_from(at).expect("the room is a few MiB")).collect()
    }

    /// Where tap 0 of channel `channel` of the chunk reads.
    pub(super) fn channel(&self, channel: usize) -> usize {
        channel * self.channel
    }

    /// Where window (`row`, `column`) of the item's block `block` stands in the room.
    pub(super) fn window(&self, block: usize, row: usize, column: usize) -> usize {
        block * self.chunk * self.channel + row * self.pitch + column * LANES
    }

    /// Values that the room of an item of `s` takes.
    pub(super) fn room(&self, s: &Stencil) -> usize {
        self.blocks.min(s.blocks) * self.chunk * self.channel
    }

    /// Copies what the windows of `item` read of `channels` into the room, zeros around it.
    #[inline(always)]
    pub(super) fn gather(
        &self,
        (s, item): (&Stencil, &Item),
        channels: Range<usize>,
        source: &[f32],
        room: &mut [f32],
    ) {
        for (i, channel) in channels.enumerate() {
            for (b, block) in item.blocks.clone().enumerate() {
                let plane = s.h * s.w * LANES;
                let from = &source[(block * s.channels + channel) * plane..][..plane];
                let to = (b * self.chunk + i) * self.channel;
                let to = &mut room[to..][..self.channel];
                for (map, to) in to.chunks_exact_mut(self.map).enumerate() {
                    if !self.read[map] {
                        continue;
                    }
                    self.gather_map((s, item), (map / s.step, map % s.step), from, to);
                }
            }
        }
    }

    #[inline(always)]
    fn gather_map(
        &self,
        (s, item): (&Stencil, &Item),
        (y, x): (usize, usize),
        from: &[f32],
        to: &mut [f32],
    ) {
        // Column `c` of this map is column `c * step + x - left` of the source.
        let skip = s.left - x as isize;
        let first = skip.max(0).unsigned_abs().div_ceil(s.step);
        let end = (s.w as isize + skip).max(0).unsigned_abs().div_ceil(s.step);
        for (r, to) in to.chunks_exact_mut(self.pitch).enumerate() {
            let row = ((item.rows.start + r) * s.step + y) as isize - s.top;
            let (first, end) = if row < 0 || row >= s.h as isize {
                (0, 0)
            } else {
                (first.min(self.pitch / LANES), end.min(self.pitch / LANES))
            };
            let end = end.max(first);
            to[..first * LANES].fill(0.0);
            to[end * LANES..].fill(0.0);
            if first < end {
                let column = (first * s.step) as isize - skip;
                let at = (row as usize * s.w + column as usize) * LANES;
                copy(s.step, &from[at..], &mut to[first * LANES..end * LANES]);
            }
        }
    }
}

#[inline(always)]
fn copy(step: usize, from: &[f32], to: &mut [f32]) {
    if step == 1 {
        to.copy_from_slice(&from[..to.len()]);
        return;
    }
    for (i, vector) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        vector.copy_from_slice(&from[i * step * LANES..][..LANES]);
    }
}
