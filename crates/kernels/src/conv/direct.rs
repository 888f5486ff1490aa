//! Dense convolution of any shape: the weights of eight outputs against three pixels at a time (of 24 against one),
//! read where they lie. No patch matrix exists.
#![allow(unsafe_code, reason = "panels are computed through pointers into the room and the output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::epilogue::{Finish, activate};
use super::micro::{self, ROWS, Steps, Target};
use super::stencil::Stencil;
use super::tiling::{Item, Part, Share, Tiling};
use super::{Crew, Epilogue};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa, scratch};

/// Values of a task's source at a time: 256 KiB, so that they stay in the second-level cache.
const ROOM: usize = 64 << 10;
/// Steps of a product that make the time to reload and store its sums negligible.
const STEPS: usize = 256;
/// Windows per task to choose from, in whole products; with more of them, weights are read less often.
const WINDOWS: [usize; 4] = [48, 36, 24, 12];
/// Tasks that a convolution is split into if its windows alone give fewer.
const TASKS: usize = 16;

/// Where the weights of (output, channel, tap) stand in the tensor.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    /// Distance between outputs.
    pub output: usize,
    /// Distance between channels.
    pub channel: usize,
}

/// The weights `(panel of eight outputs, channel, tap, 8)`, zeros behind the last output.
pub(super) fn pack(s: &Stencil, weight: &[f32], order: Order) -> Buffer {
    let panel = s.channels * s.taps.len() * ROWS;
    let mut packed = Buffer::new(s.outputs.div_ceil(ROWS) * panel);
    packed.par_chunks_mut(panel.max(1)).enumerate().for_each(|(p, panel)| {
        for (k, to) in panel.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
            let (channel, tap) = (k / s.taps.len(), s.taps[k % s.taps.len()].index);
            for (r, to) in to.iter_mut().enumerate() {
                let o = p * ROWS + r;
                let at = o * order.output + channel * order.channel + tap;
                *to = if o < s.outputs { weight[at] } else { 0.0 };
            }
        }
    });
    packed
}

/// Writes the sums of `source` weighted by `packed` to `y`.
pub(super) fn run(
    s: &Stencil,
    packed: &[f32],
    source: &[f32],
    (end, crew): (&Epilogue, Crew),
    y: &mut [f32],
) {
    let panels = s.outputs.div_ceil(ROWS);
    assert_eq!(packed.len(), panels * s.channels * s.taps.len() * ROWS, "packed weights");
    let tiling = tiling(s);
    let taps = tiling.taps(s);
    let mut start = vec![0.0; panels * ROWS];
    start[..end.bias.len()].copy_from_slice(end.bias);
    let together = together(&tiling.item(s, 0));
    let splits = TASKS.div_ceil(tiling.items).min(panels.div_ceil(together));
    let out = Shared::new(y);
    let finish = Finish::new(end, &out);
    let job = Job { s, tiling: &tiling, taps: &taps, packed, start: &start, source, end, finish };
    crew.each(tiling.items * splits, |i| {
        let panels = micro::share(i % splits, splits, panels, together);
        let item = tiling.item(s, i / splits);
        scratch::with(tiling.room(s), |room| {
            isa::dispatch(Task { job: &job, item, panels, room, out: &out });
        });
    });
}

/// As many windows as leave room for products of [`STEPS`].
///
/// Maps of one pixel are read in place; in larger maps the channels lie pages apart, which costs more than
/// a copy that all outputs share.
fn tiling(s: &Stencil) -> Tiling {
    let share = |windows| Share { windows, room: ROOM, in_place: s.h * s.w == 1 };
    let all = s.channels * s.taps.len();
    let enough = |t: &Tiling| t.chunk * s.taps.len() >= STEPS.min(all);
    let [.., fewest] = WINDOWS;
    let mut tilings = WINDOWS.into_iter().map(|windows| Tiling::new(s, share(windows)));
    tilings.find(enough).unwrap_or_else(|| Tiling::new(s, share(fewest)))
}

struct Job<'a> {
    s: &'a Stencil,
    tiling: &'a Tiling,
    taps: &'a [u32],
    packed: &'a [f32],
    start: &'a [f32],
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    finish: Finish,
}

// SAFETY: the pointers of `finish` stand for a borrow of the output, parts of which each task
// reads alone, and one of the summands, which nobody writes.
unsafe impl Sync for Job<'_> {}

struct Task<'a> {
    job: &'a Job<'a>,
    item: Item,
    panels: Range<usize>,
    room: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { job, item, panels, room, out } = self;
        let (s, tiling) = (job.s, job.tiling);
        for first in (0..s.channels).step_by(tiling.chunk) {
            let channels = first..(first + tiling.chunk).min(s.channels);
            let part = Part { item: &item, channels: channels.clone() };
            let read = tiling.read(s, part, (job.source, room), 0.0);
            let together = together(&item);
            for first in panels.clone().step_by(together) {
                let panels = first..panels.end.min(first + together);
                job.panels(simd, (&item, &channels, panels.clone()), read, out);
                if channels.end == s.channels {
                    job.activate(simd, &item, panels, out);
                }
            }
        }
    }
}

/// Panels whose products with the windows of `item` are computed together.
fn together(item: &Item) -> usize {
    micro::panels(micro::columns().min(item.blocks.len() * item.windows()))
}

impl Job<'_> {
    /// All windows of `item` for the outputs of as many panels as [`together`], or fewer.
    #[inline(always)]
    fn panels<S: Simd>(
        &self,
        simd: S,
        (item, channels, panels): (&Item, &Range<usize>, Range<usize>),
        read: &[f32],
        out: &Shared,
    ) {
        let (s, width) = (self.s, micro::columns());
        let apart = s.channels * s.taps.len() * ROWS;
        let len = channels.len() * s.taps.len();
        let first = panels.start * apart + channels.start * s.taps.len() * ROWS;
        let a = &self.packed[first..][..(panels.len() - 1) * apart + len * ROWS];
        let steps = Steps { a: a.as_ptr(), apart, taps: self.taps.as_ptr(), len };
        let start = &self.start[panels.start * ROWS..panels.end * ROWS];
        let target = Target {
            rows: s.outputs.min(panels.end * ROWS) - panels.start * ROWS,
            stride: s.plane(),
            start: if channels.start == 0 { start.as_ptr() } else { std::ptr::null() },
            finish: if channels.end == s.channels { self.finish } else { Finish::NONE },
        };
        let count = item.blocks.len() * item.windows();
        let mut window = Windows { item, block: 0, row: 0, column: 0 };
        for at in (0..count).step_by(width) {
            let mut x = [read.as_ptr(); micro::COLUMNS];
            let mut y = [std::ptr::null_mut(); micro::COLUMNS];
            let width = width.min(count - at);
            for c in 0..width {
                let (block, row, column) = window.next();
                let (down, across) = (item.rows.start + row, item.columns.start + column);
                let to = s.target(item.blocks.start + block, down, across);
                x[c] = x[c].wrapping_add(self.tiling.window(block, row, column));
                let len = (target.rows - 1) * target.stride + LANES;
                y[c] = out.pointer(to + panels.start * ROWS * target.stride, len);
            }
            // SAFETY: taps stay inside what `read` gave for these windows; the sums of these windows
            // and these panels belong to this task alone, and `pointer` has checked their range.
            unsafe { micro::product(simd, steps, &x[..width], &y[..width], target) };
        }
    }

    /// Applies an activation that is more than `ReLU` to the complete sums of `panels`.
    #[inline(always)]
    fn activate<S: Simd>(&self, simd: S, item: &Item, panels: Range<usize>, out: &Shared) {
        let Some(activation) = self.end.curve() else { return };
        for output in panels.start * ROWS..self.s.outputs.min(panels.end * ROWS) {
            for range in self.s.written(item, output) {
                // SAFETY: these windows of these panels belong to this task alone.
                activate(simd, activation, unsafe { out.part(range.start, range.len()) });
            }
        }
    }
}

/// The windows of an item one after the other, as (block, row, column).
struct Windows<'a> {
    item: &'a Item,
    block: usize,
    row: usize,
    column: usize,
}

impl Windows<'_> {
    #[inline(always)]
    fn next(&mut self) -> (usize, usize, usize) {
        let now = (self.block, self.row, self.column);
        self.column += 1;
        if self.column == self.item.columns.len() {
            (self.column, self.row) = (0, self.row + 1);
        }
        if self.row == self.item.rows.len() {
            (self.row, self.block) = (0, self.block + 1);
        }
        now
    }
}
