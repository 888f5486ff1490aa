//! A convolution in three steps: sources to points, 36 products, points to outputs.
//!
//! Tiles go through the steps in chunks that stay in the last-level cache; each step is split
//! over the threads.
#![allow(unsafe_code, reason = "points are strided parts of buffers that several tasks fill")]

use std::ops::Range;

use super::super::epilogue::Finish;
use super::super::micro::{self, ROWS, Steps, Target, load};
use super::super::{Crew, Epilogue};
use super::{IN, OUT, POINTS, transform};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa};
use pulp::{Simd, WithSimd};

/// Values of a chunk's points, before and after the products together: 16 MiB.
const CHUNK: usize = 4 << 20;
/// Added to the distance of points: a power of two would put all of a tile's in one cache set.
pub(super) const SKEW: usize = 5 * LANES;
/// Tiles of a chunk of one thread.
const FEW: usize = 4;
/// Weights up to which a thread works alone: their points take 4.5 MiB.
const OWN_WEIGHTS: usize = 1 << 15;
/// Tasks of a step.
const TASKS: usize = 16;

/// Where the tiles of a convolution lie in what is read and in what is written, sixteen to a vector.
pub(crate) trait Places: Sync {
    /// Vectors of tiles.
    fn count(&self) -> usize;

    /// Channels of what is read.
    fn channels(&self) -> usize;

    /// Channels of what is written.
    fn outputs(&self) -> usize;

    /// Writes the points of one channel of a vector of tiles.
    ///
    /// # Safety
    /// No other thread may touch these points.
    unsafe fn read<S: Simd>(&self, simd: S, source: &[f32], part: Part, to: Points);

    /// Finishes the sums of a vector of tiles and writes them.
    ///
    /// # Safety
    /// The points must be complete, and no other thread may touch these tiles of this output.
    unsafe fn write<S: Simd>(&self, simd: S, sums: Sums, end: Ending, out: &Shared);
}

/// One channel of a vector of tiles.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// The vector.
    pub tiles: usize,
    /// The channel.
    pub channel: usize,
    /// The end of the channels that the task reads, exclusive.
    pub end: usize,
}

/// Where the points of a vector of tiles are written.
#[derive(Clone, Copy)]
pub(crate) struct Points<'a> {
    /// The points of all tiles.
    pub all: &'a Shared<'a>,
    /// Where the first is.
    pub first: usize,
    /// Values from one to the next.
    pub distance: usize,
}

/// The products at the points of a vector of tiles, for one output.
#[derive(Clone, Copy)]
pub(crate) struct Sums<'a> {
    /// The vector.
    pub tiles: usize,
    /// The output.
    pub output: usize,
    /// The products, from the first on.
    products: &'a [f32],
    /// Values from one to the next.
    distance: usize,
    bias: f32,
}

impl Sums<'_> {
    /// The outputs of the tiles, without summand and activation: one register, from `lane` on.
    #[inline(always)]
    pub(crate) fn square<S: Simd>(&self, simd: S, lane: usize) -> [[S::f32s; OUT]; OUT] {
        let products = &self.products[lane..][..(POINTS - 1) * self.distance + S::F32_LANES];
        let mut sums = [[simd.splat_f32s(0.0); IN]; IN];
        for p in 0..POINTS {
            // SAFETY: the last point lies in the slice.
            sums[p / IN][p % IN] = unsafe { load::<S>(products.as_ptr().add(p * self.distance)) };
        }
        let bias = simd.splat_f32s(self.bias);
        let mut values = transform::output_square(simd, &sums);
        for value in values.as_flattened_mut() {
            *value = simd.add_f32s(*value, bias);
        }
        values
    }
}

/// What follows the sums, as a whole and as the part done register by register.
#[derive(Clone, Copy)]
pub(crate) struct Ending<'a> {
    /// All of it.
    pub epilogue: &'a Epilogue<'a>,
    /// Its summand and rectifier.
    pub finish: Finish,
}

/// What a convolution is computed from.
#[derive(Clone, Copy)]
pub(crate) struct Transformed<'a> {
    /// The weights at the points.
    pub weights: &'a [f32],
    /// What follows the sums.
    pub end: &'a Epilogue<'a>,
}

/// Writes the convolution of `source` to `y`.
pub(crate) fn run<P: Places>(
    places: &P,
    with: Transformed,
    source: &[f32],
    y: &mut [f32],
    crew: Crew,
) {
    let (channels, outputs, count) = (places.channels(), places.outputs(), places.count());
    let panels = outputs.div_ceil(ROWS);
    assert_eq!(with.weights.len(), POINTS * panels * channels * ROWS, "weights");
    let plan = Plan::new(count, (channels, outputs), FEW);
    let chunk = plan.chunk;
    let of = |width: usize| (0..channels).map(|c| (c * width * LANES) as u32).collect();
    let taps: [Vec<u32>; micro::COLUMNS] = std::array::from_fn(|i| of(i + 1));
    let out = Shared::new(y);
    let (outer, inner) = plan.crews(crew);
    outer.each(count.div_ceil(chunk), |i| {
        let mut first = Buffer::new(POINTS * (channels * chunk * LANES + SKEW));
        let mut second = Buffer::new(POINTS * (outputs * chunk * LANES + SKEW));
        let range = i * chunk..((i + 1) * chunk).min(count);
        let job = Job { places, with, taps: &taps, range, crew: inner };
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
    /// The crews that take the chunks, and the steps of each chunk, out of `crew`.
    pub(super) fn crews(self, crew: Crew) -> (Crew, Crew) {
        if self.alone { (crew, Crew::Caller) } else { (Crew::Caller, crew) }
    }

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

struct Job<'a, P> {
    places: &'a P,
    with: Transformed<'a>,
    /// Where each channel of a group lies, by the group's width less one.
    taps: &'a [Vec<u32>; micro::COLUMNS],
    /// The tiles of the chunk.
    range: Range<usize>,
    /// Which threads take the steps.
    crew: Crew,
}

impl<P: Places> Job<'_, P> {
    /// Distance of the source's points.
    fn before(&self) -> usize {
        self.places.channels() * self.range.len() * LANES + SKEW
    }

    /// Distance of the outputs' points.
    fn after(&self) -> usize {
        self.places.outputs() * self.range.len() * LANES + SKEW
    }

    /// The chunk in groups as wide as a product's columns.
    fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<P> {
        let (len, width) = (self.range.len(), micro::columns());
        (0..len).step_by(width).map(move |g| g..(g + width).min(len))
    }

    /// Writes the source's points as `(point, group of columns, channel, column)`.
    fn sources(&self, source: &[f32], points: &mut [f32]) {
        let groups: Vec<_> = self.groups().collect();
        let splits = TASKS.div_ceil(groups.len()).min(self.places.channels());
        let out = Shared::new(points);
        self.crew.each(groups.len() * splits, |i| {
            let (group, split) = (groups[i / splits].clone(), i % splits);
            let channels = self.places.channels();
            let channels = split * channels / splits..(split + 1) * channels / splits;
            isa::dispatch(Sources { job: self, group, channels, source, out: &out });
        });
    }

    /// Writes the products as `(point, output, column)`.
    fn products(&self, before: &[f32], after: &mut [f32]) {
        let panels = self.places.outputs().div_ceil(ROWS);
        let splits = panels.div_ceil(8);
        let together = micro::panels(micro::columns().min(self.range.len()));
        let out = Shared::new(after);
        self.crew.each(POINTS * splits, |i| {
            let panels = micro::share(i % splits, splits, panels, together);
            let (job, point) = (self, i / splits);
            isa::dispatch(Products { job, point, panels, together, before, out: &out });
        });
    }

    fn outputs(&self, points: &[f32], out: &Shared) {
        self.crew.each(self.places.outputs(), |output| {
            isa::dispatch(Outputs { job: self, output, points, out });
        });
    }
}

struct Sources<'a, P> {
    job: &'a Job<'a, P>,
    group: Range<usize>,
    channels: Range<usize>,
    source: &'a [f32],
    out: &'a Shared<'a>,
}

impl<P: Places> WithSimd for Sources<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sources { job, group, channels, source, out } = self;
        for channel in channels.clone() {
            for (c, column) in group.clone().enumerate() {
                let at = group.start * job.places.channels() + channel * group.len() + c;
                let part = Part { tiles: job.range.start + column, channel, end: channels.end };
                let to = Points { all: out, first: at * LANES, distance: job.before() };
                // SAFETY: the points of this (column, channel) belong to this task alone.
                unsafe { job.places.read(simd, source, part, to) };
            }
        }
    }
}

struct Products<'a, P> {
    job: &'a Job<'a, P>,
    point: usize,
    panels: Range<usize>,
    /// Panels whose products are computed together.
    together: usize,
    before: &'a [f32],
    out: &'a Shared<'a>,
}

impl<P: Places> WithSimd for Products<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        const ZERO: [f32; micro::PANELS * ROWS] = [0.0; micro::PANELS * ROWS];
        let Products { job, point, panels, together, before, out } = self;
        let (channels, outputs) = (job.places.channels(), job.places.outputs());
        let len = job.range.len();
        let before = &before[point * job.before()..][..channels * len * LANES];
        let all = outputs.div_ceil(ROWS);
        let apart = channels * ROWS;
        for panel in panels.clone().step_by(together) {
            let together = together.min(panels.end - panel);
            let a = &job.with.weights[(point * all + panel) * apart..][..together * apart];
            let rows = (together * ROWS).min(outputs - panel * ROWS);
            let to = point * job.after() + panel * ROWS * len * LANES;
            let target =
                Target { rows, stride: len * LANES, start: ZERO.as_ptr(), finish: Finish::NONE };
            for group in job.groups() {
                let width = group.len();
                let mut x = [before.as_ptr(); micro::COLUMNS];
                let mut y = [std::ptr::null_mut(); micro::COLUMNS];
                for c in 0..width {
                    x[c] = x[c].wrapping_add((group.start * channels + c) * LANES);
                    let last = (rows - 1) * target.stride + LANES;
                    y[c] = out.pointer(to + (group.start + c) * LANES, last);
                }
                let taps = job.taps[width - 1].as_ptr();
                let steps = Steps { a: a.as_ptr(), apart, taps, len: channels };
                // SAFETY: a group holds a vector a channel and column; the rows of these panels and
                // this point belong to this task alone, and `pointer` has checked their range.
                unsafe { micro::product(simd, steps, &x[..width], &y[..width], target) };
            }
        }
    }
}

struct Outputs<'a, P> {
    job: &'a Job<'a, P>,
    output: usize,
    points: &'a [f32],
    out: &'a Shared<'a>,
}

impl<P: Places> WithSimd for Outputs<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Outputs { job, output, points, out } = self;
        let end = Ending { epilogue: job.with.end, finish: Finish::new(job.with.end, out) };
        for column in 0..job.range.len() {
            let sums = Sums {
                tiles: job.range.start + column,
                output,
                products: &points[(output * job.range.len() + column) * LANES..],
                distance: job.after(),
                bias: job.with.end.bias_of(output),
            };
            // SAFETY: every point of this (output, column) is there, and these tiles of this output
            // belong to this task alone.
            unsafe { job.places.write(simd, sums, end, out) };
        }
    }
}
