//! A convolution in three steps: sources to points, 36 products, points to outputs.
//!
//! Tiles go through the steps in chunks that stay in the last-level cache; each step is split
//! over the threads.
#![allow(unsafe_code, reason = "points are strided parts of buffers that several tasks fill")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::Epilogue;
use super::super::epilogue::Finish;
use super::super::micro::{self, ROWS, Steps, Target, load};
use super::{IN, OUT, POINTS, Tiles, transform};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa};

/// Values of a chunk's points, before and after the products together: 16 MiB.
const CHUNK: usize = 4 << 20;
/// Added to the distance of points: a power of two would put all of a tile's in one cache set.
pub(super) const SKEW: usize = 5 * LANES;
/// Channels between the one being read and the one being asked for.
const AHEAD: usize = 2;
/// Tiles of a chunk of one thread.
const FEW: usize = 4;
/// Weights up to which a thread works alone: their points take 4.5 MiB.
const OWN_WEIGHTS: usize = 1 << 15;
/// Tasks of a step.
const TASKS: usize = 16;

/// What a convolution is computed from.
#[derive(Clone, Copy)]
pub(in super::super) struct Transformed<'a> {
    /// The weights at the points.
    pub weights: &'a [f32],
    /// What follows the sums.
    pub end: &'a Epilogue<'a>,
}

/// Writes the convolution of `source` to `y`.
pub(in super::super) fn run(tiles: &Tiles, with: Transformed, source: &[f32], y: &mut [f32]) {
    let panels = tiles.outputs.div_ceil(ROWS);
    assert_eq!(with.weights.len(), POINTS * panels * tiles.channels * ROWS, "weights");
    let sizes = (tiles.channels, tiles.outputs);
    let Plan { chunk, alone } = Plan::new(tiles.count(), sizes, FEW);
    let of = |width: usize| (0..tiles.channels).map(|c| (c * width * LANES) as u32).collect();
    let taps: [Vec<u32>; micro::COLUMNS] = std::array::from_fn(|i| of(i + 1));
    let out = Shared::new(y);
    each(alone, tiles.count().div_ceil(chunk), |i| {
        let mut first = Buffer::new(POINTS * (tiles.channels * chunk * LANES + SKEW));
        let mut second = Buffer::new(POINTS * (tiles.outputs * chunk * LANES + SKEW));
        let range = i * chunk..((i + 1) * chunk).min(tiles.count());
        let job = Job { tiles, with, taps: &taps, range, alone };
        job.sources(source, &mut first);
        job.products(&first, &mut second);
        job.outputs(&second, &out);
    });
}

/// How tiles are shared out.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Tiles of a chunk.
    pub chunk: usize,
    /// Whether a chunk is one thread's alone: the points of a few tiles of few channels fit its
    /// own cache. Else all threads take each step of a chunk together, so that large weights are
    /// read once.
    pub alone: bool,
}

impl Plan {
    /// Of `tiles` with as many channels before and after; `few` tiles are a thread's own chunk.
    pub(super) fn new(tiles: usize, (before, after): (usize, usize), few: usize) -> Self {
        if before * after <= OWN_WEIGHTS && tiles >= TASKS * few {
            return Self { chunk: few, alone: true };
        }
        let most = CHUNK / (POINTS * LANES * (before + after));
        let even = tiles.div_ceil(tiles.div_ceil(most.max(1)));
        Self { chunk: even.next_multiple_of(micro::COLUMNS).min(tiles), alone: false }
    }
}

/// Calls `f` with `0..count`, in parallel or in order.
pub(super) fn each(parallel: bool, count: usize, f: impl Fn(usize) + Send + Sync) {
    if parallel {
        (0..count).into_par_iter().for_each(f);
    } else {
        (0..count).for_each(f);
    }
}

struct Job<'a> {
    tiles: &'a Tiles,
    with: Transformed<'a>,
    /// Where each channel of a group lies, by the group's width less one.
    taps: &'a [Vec<u32>; micro::COLUMNS],
    /// The tiles of the chunk.
    range: Range<usize>,
    /// Whether the steps stay on this thread.
    alone: bool,
}

impl Job<'_> {
    /// Distance of the source's points.
    fn before(&self) -> usize {
        self.tiles.channels * self.range.len() * LANES + SKEW
    }

    /// Distance of the outputs' points.
    fn after(&self) -> usize {
        self.tiles.outputs * self.range.len() * LANES + SKEW
    }

    /// The chunk in groups as wide as a product's columns.
    fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (len, width) = (self.range.len(), micro::columns());
        (0..len).step_by(width).map(move |g| g..(g + width).min(len))
    }

    /// Writes the source's points as `(point, group of columns, channel, column)`.
    fn sources(&self, source: &[f32], points: &mut [f32]) {
        let groups: Vec<_> = self.groups().collect();
        let splits = TASKS.div_ceil(groups.len()).min(self.tiles.channels);
        let out = Shared::new(points);
        each(!self.alone, groups.len() * splits, |i| {
            let (group, split) = (groups[i / splits].clone(), i % splits);
            let channels = self.tiles.channels;
            let channels = split * channels / splits..(split + 1) * channels / splits;
            isa::dispatch(Sources { job: self, group, channels, source, out: &out });
        });
    }

    /// Writes the products as `(point, output, column)`.
    fn products(&self, before: &[f32], after: &mut [f32]) {
        let panels = self.tiles.outputs.div_ceil(ROWS);
        let splits = panels.div_ceil(8);
        let out = Shared::new(after);
        each(!self.alone, POINTS * splits, |i| {
            let (point, split) = (i / splits, i % splits);
            let panels = split * panels / splits..(split + 1) * panels / splits;
            isa::dispatch(Products { job: self, point, panels, before, out: &out });
        });
    }

    fn outputs(&self, points: &[f32], out: &Shared) {
        each(!self.alone, self.tiles.outputs, |output| {
            isa::dispatch(Outputs { job: self, output, points, out });
        });
    }
}

struct Sources<'a> {
    job: &'a Job<'a>,
    group: Range<usize>,
    channels: Range<usize>,
    source: &'a [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Sources<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sources { job, group, channels, source, out } = self;
        let tiles = job.tiles;
        for channel in channels.clone() {
            for (c, column) in group.clone().enumerate() {
                let (map, square) = tiles.source(job.range.start + column, channel);
                let size = tiles.h * tiles.w * LANES;
                if channel + AHEAD < channels.end {
                    square.prefetch::<IN>(&source[map + AHEAD * size..][..size]);
                }
                let map = &source[map..][..size];
                let to = group.start * tiles.channels + channel * group.len() + c;
                // SAFETY: the map is the square's, and the points of this (column, channel) belong
                // to this task alone.
                unsafe { square.points(simd, map, (out, to * LANES, job.before())) };
            }
        }
    }
}

struct Products<'a> {
    job: &'a Job<'a>,
    point: usize,
    panels: Range<usize>,
    before: &'a [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const ZERO: [f32; ROWS] = [0.0; ROWS];
        let Products { job, point, panels, before, out } = self;
        let (tiles, len) = (job.tiles, job.range.len());
        let before = &before[point * job.before()..][..tiles.channels * len * LANES];
        let all = tiles.outputs.div_ceil(ROWS);
        for panel in panels {
            let a = (point * all + panel) * tiles.channels * ROWS;
            let a = &job.with.weights[a..][..tiles.channels * ROWS];
            let rows = ROWS.min(tiles.outputs - panel * ROWS);
            let to = point * job.after() + panel * ROWS * len * LANES;
            let target =
                Target { rows, stride: len * LANES, start: ZERO.as_ptr(), finish: Finish::NONE };
            for group in job.groups() {
                let width = group.len();
                let mut x = [before.as_ptr(); micro::COLUMNS];
                let mut y = [std::ptr::null_mut(); micro::COLUMNS];
                for c in 0..width {
                    x[c] = x[c].wrapping_add((group.start * tiles.channels + c) * LANES);
                    let last = (rows - 1) * target.stride + LANES;
                    y[c] = out.pointer(to + (group.start + c) * LANES, last);
                }
                let taps = job.taps[width - 1].as_ptr();
                let steps = Steps { a: a.as_ptr(), taps, len: tiles.channels };
                // SAFETY: a group holds a vector a channel and column; the rows of this panel and
                // point belong to this task alone, and `pointer` has checked their range.
                unsafe { micro::product(simd, steps, &x[..width], &y[..width], target) };
            }
        }
    }
}

struct Outputs<'a> {
    job: &'a Job<'a>,
    output: usize,
    points: &'a [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Outputs { job, output, points, out } = self;
        let (tiles, len) = (job.tiles, job.range.len());
        let bias = simd.splat_f32s(job.with.end.bias_of(output));
        let finish = Finish::new(job.with.end, out);
        for column in 0..len {
            let (start, square) = tiles.target(job.range.start + column, output);
            let from = &points[(output * len + column) * LANES..];
            let from = &from[..(POINTS - 1) * job.after() + LANES];
            for lane in (0..LANES).step_by(S::F32_LANES) {
                let map = out.pointer(start + lane, tiles.oh * tiles.ow * LANES - lane);
                // SAFETY: every point of this (output, column) lies in `from`, and the square of
                // this output belongs to this task alone.
                unsafe {
                    let mut sums = [[simd.splat_f32s(0.0); IN]; IN];
                    for p in 0..POINTS {
                        let at = from.as_ptr().add(p * job.after() + lane);
                        sums[p / IN][p % IN] = load::<S>(at);
                    }
                    let mut values = transform::output_square(simd, &sums);
                    for value in values.as_flattened_mut() {
                        *value = simd.add_f32s(*value, bias);
                    }
                    square.write::<S, OUT>(simd, map, &values, finish);
                }
            }
            if let Some(activation) = job.with.end.curve() {
                // SAFETY: as above.
                unsafe { square.activate::<S, OUT>(simd, activation, out, start) };
            }
        }
    }
}
