//! How the windows of a stencil are shared out, and what they read copied near, where that pays.

use std::ops::Range;

use super::stencil::{Stencil, Tap};
use crate::{LANES, Size, prefetch};

/// How many channels ahead of the one being copied data is prefetched.
const AHEAD: usize = 2;

/// How large items are to be, and where they are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// Windows of an item, about.
    pub windows: usize,
    /// Values of its source that are in the room at the same time, about.
    pub room: usize,
    /// Whether the source is read where it lies if that is possible and as fast.
    pub in_place: bool,
}

/// How windows are shared out, and how the source of some lies in a task's room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tiling {
    /// Blocks of an item.
    pub blocks: usize,
    /// Rows of windows of an item.
    pub rows: usize,
    /// Columns of windows of an item.
    pub columns: usize,
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
    /// Items down and across one block.
    down: usize,
    across: usize,
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
pub(crate) struct Item {
    pub blocks: Range<usize>,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
}

impl Item {
    /// Windows of one block.
    pub(crate) fn windows(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

impl Tiling {
    /// Items of `s` as `share` has it.
    ///
    /// Where a tap reads does not depend on the number of blocks.
    pub(crate) fn new(s: &Stencil, share: Share) -> Self {
        let Share { windows, room, .. } = share;
        let columns = even(s.columns, windows);
        let rows = (windows / columns).clamp(1, s.rows);
        let whole = (rows, columns) == (s.rows, s.columns);
        let blocks = if whole { (windows / (s.rows * s.columns)).max(1) } else { 1 };
        let reach = s.reach();
        let (high, wide) = (rows + reach.h / s.step.h, columns + reach.w / s.step.w);
        let mut phases = Vec::new();
        for phase in s.taps.iter().map(|t| Phase::of(s, t)) {
            if !phases.contains(&phase) {
                phases.push(phase);
            }
        }
        // An odd number of lines: otherwise the channels of a window would compete for a few cache sets.
        let map = ((high * wide) | 1) * LANES;
        // Some phases of an input gradient have no taps: there is room for one map all the same.
        let channel = phases.len().max(1) * map;
        let most = (room / (blocks * channel)).max(1);
        let chunk = even(s.channels, most);
        let (down, across) = (s.rows.div_ceil(rows), s.columns.div_ceil(columns));
        let gathered = Self {
            blocks,
            rows,
            columns,
            items: s.blocks.div_ceil(blocks) * down * across,
            pitch: wide * LANES,
            map,
            channel,
            block: chunk * channel,
            chunk,
            down,
            across,
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

    /// The same for another number of blocks.
    pub(crate) fn of_blocks(&self, s: &Stencil) -> Self {
        let items = s.blocks.div_ceil(self.blocks) * self.down * self.across;
        Self { items, ..self.clone() }
    }

    pub(crate) fn item(&self, s: &Stencil, index: usize) -> Item {
        let (place, column) = (index / self.across, index % self.across * self.columns);
        let (block, row) = (place / self.down * self.blocks, place % self.down * self.rows);
        Item {
            blocks: block..(block + self.blocks).min(s.blocks),
            rows: row..(row + self.rows).min(s.rows),
            columns: column..(column + self.columns).min(s.columns),
        }
    }

    /// Where `tap` of a window reads, from where the window stands.
    pub(crate) fn tap(&self, s: &Stencil, tap: Tap) -> usize {
        let phase = Phase::of(s, &tap);
        let map = self.phases.iter().position(|p| *p == phase).expect("a phase that a tap reads");
        map * self.map + tap.row / s.step.h * self.pitch + tap.column / s.step.w * LANES
    }

    /// Where each tap of each channel of a chunk reads, in the order (channel, tap).
    pub(crate) fn taps(&self, s: &Stencil) -> Vec<u32> {
        let first: Vec<usize> = s.taps.iter().map(|t| self.tap(s, *t)).collect();
        let all = (0..self.chunk).flat_map(|c| first.iter().map(move |at| self.channel(c) + at));
        all.map(|at| u32::try_from(at).expect("a block has fewer than 2^32 values")).collect()
    }

    /// Where tap 0 of channel `channel` of the chunk reads.
    pub(crate) fn channel(&self, channel: usize) -> usize {
        channel * self.channel
    }

    /// Where window (`row`, `column`) of the item's block `block` stands in the room.
    pub(crate) fn window(&self, block: usize, row: usize, column: usize) -> usize {
        block * self.block + row * self.pitch + column * LANES
    }

    /// The maps of a channel of `item` in the room, for those who fill it themselves.
    pub(crate) fn phases(&self, s: &Stencil, item: &Item) -> impl Iterator<Item = RoomMap> {
        let size = Size { h: self.map / self.pitch, w: self.pitch / LANES };
        self.phases.iter().enumerate().map(move |(i, phase)| {
            let along = |count: usize, first: usize, step: usize, skip: isize| {
                (0..count).map(|n| ((n * step + first) as isize) - skip).collect()
            };
            let (row, column) = (item.rows.start * s.step.h, item.columns.start * s.step.w);
            RoomMap {
                at: i * self.map,
                rows: along(size.h, row + phase.y, s.step.h, s.top),
                columns: along(size.w, column + phase.x, s.step.w, s.left),
            }
        })
    }

    /// Values that the room of an item of `s` takes.
    pub(crate) fn room(&self, s: &Stencil) -> usize {
        if self.in_place { 0 } else { self.blocks.min(s.blocks) * self.block }
    }

    /// Where the windows of `item` read `channels` of `source`: there, or in `room`, to which what
    /// they read is copied with `border` around it.
    #[inline(always)]
    pub(crate) fn read<'a, T: Copy>(
        &self,
        s: &Stencil,
        part: Part,
        (source, room): (&'a [T], &'a mut [T]),
        border: T,
    ) -> &'a [T] {
        let Part { item, channels } = part;
        if self.in_place {
            let channel = item.blocks.start * s.channels + channels.start;
            let first = item.rows.start * self.pitch + item.columns.start * LANES;
            return &source[channel * self.channel + first..];
        }
        let plane = s.h * s.w * LANES;
        for (i, channel) in channels.enumerate() {
            for (b, block) in item.blocks.clone().enumerate() {
                let from = &source[(block * s.channels + channel) * plane..];
                let to = b * self.block + i * self.channel;
                let to = &mut room[to..][..self.channel];
                for (phase, to) in self.phases.iter().zip(to.chunks_exact_mut(self.map)) {
                    self.gather(s, Map { item, phase: *phase }, (from, to), border);
                }
            }
        }
        room
    }

    /// Copies a map of the channel that `from` begins with; other channels may follow it.
    #[inline(always)]
    fn gather<T: Copy>(&self, s: &Stencil, map: Map, (from, to): (&[T], &mut [T]), border: T) {
        let Phase { y, x } = map.phase;
        // Column `c` of this map is column `c * step - skip` of the source.
        let skip = s.left - (x + map.item.columns.start * s.step.w) as isize;
        let first = skip.max(0).unsigned_abs().div_ceil(s.step.w);
        let end = (s.w as isize + skip).max(0).unsigned_abs().div_ceil(s.step.w);
        for (r, to) in to.chunks_exact_mut(self.pitch).enumerate() {
            let row = ((map.item.rows.start + r) * s.step.h + y) as isize - s.top;
            let (first, end) = if row < 0 || row >= s.h as isize {
                (0, 0)
            } else {
                (first.min(self.pitch / LANES), end.min(self.pitch / LANES))
            };
            let end = end.max(first);
            to[..first * LANES].fill(border);
            to[end * LANES..].fill(border);
            if first < end {
                let column = (first * s.step.w) as isize - skip;
                let at = (row as usize * s.w + column as usize) * LANES;
                copy(s.step.w, &from[at..], &mut to[first * LANES..end * LANES]);
                let soon = at + AHEAD * s.h * s.w * LANES;
                for i in first..end {
                    if let Some(value) = from.get(soon + (i - first) * s.step.w * LANES) {
                        prefetch(value);
                    }
                }
            }
        }
    }
}

/// A map of a channel in the room.
pub(crate) struct RoomMap {
    /// Where it begins, from the channel's beginning.
    pub at: usize,
    /// The source's row of each of its rows, which may lie outside of it.
    pub rows: Vec<isize>,
    /// The source's column of each of its columns.
    pub columns: Vec<isize>,
}

/// What is read at a time.
pub(crate) struct Part<'a> {
    pub item: &'a Item,
    pub channels: Range<usize>,
}

/// One map of a channel, as far as the windows of an item read it.
#[derive(Clone, Copy)]
struct Map<'a> {
    item: &'a Item,
    phase: Phase,
}

/// The largest part of `all` in equal parts of at most `most`.
fn even(all: usize, most: usize) -> usize {
    all.div_ceil(all.div_ceil(most))
}

#[inline(always)]
fn copy<T: Copy>(step: usize, from: &[T], to: &mut [T]) {
    if step == 1 {
        to.copy_from_slice(&from[..to.len()]);
        return;
    }
    for (i, vector) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        vector.copy_from_slice(&from[i * step * LANES..][..LANES]);
    }
}
