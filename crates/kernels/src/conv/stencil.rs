//! What a convolution and its input gradient have in common: each output is a weighted sum over
//! a window of what is read, and the windows of neighbours lie one pixel apart.
//!
//! A stride is taken out beforehand. Where it is on what is read (forward), the source is split
//! into maps of every `step`-th pixel, one for each phase that a tap reads; where it is on what is
//! written (input gradient), there is a stencil for the outputs of each phase.

use std::ops::Range;

use super::Conv;
use crate::{LANES, Size};

/// A weight of the window, and where it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// `ky * kernel.w + kx`.
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
pub(super) struct Grid {
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
    pub(super) fn forward(conv: &Conv) -> Self {
        let (window, Size { h: rows, w: columns }) = (conv.window, conv.output());
        let taps = (0..conv.taps()).map(|index| {
            let (ky, kx) = (index / window.kernel.w, index % window.kernel.w);
            Tap { index, row: ky * window.dilation.h, column: kx * window.dilation.w }
        });
        Self {
            blocks: conv.lanes.blocks(),
            channels: conv.inputs,
            h: conv.h,
            w: conv.w,
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

    /// `dx` from `dy`: one stencil for the pixels of each phase of the stride. Some have no taps.
    pub(super) fn input_grad(conv: &Conv) -> Vec<Self> {
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
        Self {
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
        }
    }

    /// The farthest row and column of the taps.
    fn reach(&self) -> Size {
        let most = |of: fn(&Tap) -> usize| self.taps.iter().map(of).max().unwrap_or(0);
        Size { h: most(|t| t.row), w: most(|t| t.column) }
    }

    /// Whether windows can be read where the source lies, because none reaches beyond it, and are
    /// read as fast there as from a copy: channels whose distance is a multiple of sixteen cache
    /// lines share a few sets of the cache.
    fn lies_well(&self) -> bool {
        let reach = self.reach();
        (self.top, self.left, self.step) == (0, 0, Size::square(1))
            && self.rows + reach.h <= self.h
            && self.columns + reach.w <= self.w
            && !(self.h * self.w).is_multiple_of(16)
    }

    /// Where the windows of `item` of `output` are written, a range a block.
    ///
    /// They lie one behind the other where the output has no stride, as in every forward pass.
    pub(super) fn written(&self, item: &Item, output: usize) -> impl Iterator<Item = Range<usize>> {
        let len = item.rows.len() * self.columns * LANES;
        let first = move |block| self.target(block, item.rows.start, 0) + output * self.plane();
        item.blocks.clone().map(first).map(move |start| start..start + len)
    }

    /// Where window (`row`, `column`) of (`block`, output channel 0) is written.
    pub(super) fn target(&self, block: usize, row: usize, column: usize) -> usize {
        let g = self.grid;
        let map = block * self.outputs * g.h + g.y + row * g.step.h;
        (map * g.w + g.x + column * g.step.w) * LANES
    }

    /// Values of one output channel of one block.
    pub(super) fn plane(&self) -> usize {
        self.grid.h * self.grid.w * LANES
    }
}

/// How large items are to be, and where they are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    /// Windows of an item, about.
    pub windows: usize,
    /// Values of its source that are in the room at the same time, about.
    pub room: usize,
    /// Whether the source is read where it lies if that is possible and as fast.
    pub in_place: bool,
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
    /// Values between rows of one map of the source.
    pub pitch: usize,
    /// Values of one map.
    map: usize,
    /// Values from one channel of a block to the next.
    channel: usize,
    /// Values from one block to the next.
    block: usize,
    /// Channels that are in the room at the same time.
    pub chunk: usize,
    /// Items down one block.
    down: usize,
    /// The maps that a stride makes of a channel and that taps read, by their first pixel.
    phases: Vec<Phase>,
    /// Whether the source is read where it lies, and there is no room.
    in_place: bool,
}

/// The pixels `y + i * step.h`, `x + j * step.w` of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Phase {
    y: usize,
    x: usize,
}

impl Phase {
    fn of(s: &Stencil, tap: &Tap) -> Self {
        Self { y: tap.row % s.step.h, x: tap.column % s.step.w }
    }
}

/// The windows of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub blocks: Range<usize>,
    pub rows: Range<usize>,
}

impl Tiling {
    /// Items of `s` as `share` has it.
    ///
    /// Where a tap reads does not depend on the number of blocks.
    pub(super) fn new(s: &Stencil, share: Share) -> Self {
        let Share { windows, room, .. } = share;
        let rows = (windows / s.columns).clamp(1, s.rows);
        let whole = rows == s.rows;
        let blocks = if whole { (windows / (s.rows * s.columns)).max(1) } else { 1 };
        let reach = s.reach();
        let (high, wide) = (rows + reach.h / s.step.h, s.columns + reach.w / s.step.w);
        let mut phases = Vec::new();
        for phase in s.taps.iter().map(|t| Phase::of(s, t)) {
            if !phases.contains(&phase) {
                phases.push(phase);
            }
        }
        let map = high * wide * LANES;
        // Some phases of an input gradient have no taps: there is room for one map all the same.
        let channel = phases.len().max(1) * map;
        let most = (room / (blocks * channel)).max(1);
        let chunk = s.channels.div_ceil(s.channels.div_ceil(most));
        let down = s.rows.div_ceil(rows);
        let gathered = Self {
            blocks,
            rows,
            items: s.blocks.div_ceil(blocks) * down,
            pitch: wide * LANES,
            map,
            channel,
            block: chunk * channel,
            chunk,
            down,
            phases,
            in_place: false,
        };
        if !(share.in_place && s.lies_well()) {
            return gathered;
        }
        let plane = s.h * s.w * LANES;
        let (pitch, block) = (s.w * LANES, s.channels * plane);
        Self { pitch, map: plane, channel: plane, block, in_place: true, ..gathered }
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
        let phase = Phase::of(s, &tap);
        let map = self.phases.iter().position(|p| *p == phase).expect("a phase that a tap reads");
        map * self.map + tap.row / s.step.h * self.pitch + tap.column / s.step.w * LANES
    }

    /// Where each tap of each channel of a chunk reads, in the order (channel, tap).
    pub(super) fn taps(&self, s: &Stencil) -> Vec<u32> {
        let first: Vec<usize> = s.taps.iter().map(|t| self.tap(s, *t)).collect();
        let all = (0..self.chunk).flat_map(|c| first.iter().map(move |at| self.channel(c) + at));
        all.map(|at| u32::try_from(at).expect("a block has fewer than 2^32 values")).collect()
    }

    /// Where tap 0 of channel `channel` of the chunk reads.
    pub(super) fn channel(&self, channel: usize) -> usize {
        channel * self.channel
    }

    /// Where window (`row`, `column`) of the item's block `block` stands in the room.
    pub(super) fn window(&self, block: usize, row: usize, column: usize) -> usize {
        block * self.block + row * self.pitch + column * LANES
    }

    /// Values that the room of an item of `s` takes.
    pub(super) fn room(&self, s: &Stencil) -> usize {
        if self.in_place { 0 } else { self.blocks.min(s.blocks) * self.block }
    }

    /// Where the windows of `item` read `channels` of `source`: there, or in `room`, to which what
    /// they read is copied with zeros around it.
    #[inline(always)]
    pub(super) fn read<'a>(
        &self,
        s: &Stencil,
        part: Part,
        source: &'a [f32],
        room: &'a mut [f32],
    ) -> &'a [f32] {
        let Part { item, channels } = part;
        if self.in_place {
            let channel = item.blocks.start * s.channels + channels.start;
            return &source[channel * self.channel + item.rows.start * self.pitch..];
        }
        for (i, channel) in channels.enumerate() {
            for (b, block) in item.blocks.clone().enumerate() {
                let plane = s.h * s.w * LANES;
                let from = &source[(block * s.channels + channel) * plane..][..plane];
                let to = b * self.block + i * self.channel;
                let to = &mut room[to..][..self.channel];
                for (phase, to) in self.phases.iter().zip(to.chunks_exact_mut(self.map)) {
                    self.gather(s, Map { rows: &item.rows, phase: *phase }, from, to);
                }
            }
        }
        room
    }

    #[inline(always)]
    fn gather(&self, s: &Stencil, map: Map, from: &[f32], to: &mut [f32]) {
        let Phase { y, x } = map.phase;
        // Column `c` of this map is column `c * step + x - left` of the source.
        let skip = s.left - x as isize;
        let first = skip.max(0).unsigned_abs().div_ceil(s.step.w);
        let end = (s.w as isize + skip).max(0).unsigned_abs().div_ceil(s.step.w);
        for (r, to) in to.chunks_exact_mut(self.pitch).enumerate() {
            let row = ((map.rows.start + r) * s.step.h + y) as isize - s.top;
            let (first, end) = if row < 0 || row >= s.h as isize {
                (0, 0)
            } else {
                (first.min(self.pitch / LANES), end.min(self.pitch / LANES))
            };
            let end = end.max(first);
            to[..first * LANES].fill(0.0);
            to[end * LANES..].fill(0.0);
            if first < end {
                let column = (first * s.step.w) as isize - skip;
                let at = (row as usize * s.w + column as usize) * LANES;
                copy(s.step.w, &from[at..], &mut to[first * LANES..end * LANES]);
            }
        }
    }
}

/// What is read at a time.
pub(super) struct Part<'a> {
    pub item: &'a Item,
    pub channels: Range<usize>,
}

/// One map of a channel, as far as the windows of some rows read it.
#[derive(Clone, Copy)]
struct Map<'a> {
    rows: &'a Range<usize>,
    phase: Phase,
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
