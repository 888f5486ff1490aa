//! The gradient of the weight: points of the source times points of the output's gradient, summed
//! over tiles and images.
#![allow(unsafe_code, reason = "points are strided parts of buffers that several tasks fill")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::Conv;
use super::super::Crew;
use super::super::micro::{self, COLUMNS, Images, ROWS, load, store};
use super::super::transpose::transpose;
use super::forward::{Plan, SKEW};
use super::{IN, OUT, POINTS, Points, Tiles, transform};
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, elementwise, isa, scratch};

/// Tiles of one sum, so that their gradients stay in the first-level cache.
const STEPS: usize = 8;
/// Tiles of a chunk of one thread.
const FEW: usize = 8;
/// Sums that threads working alone keep; they are added in order.
const PARTS: usize = 8;

/// `dw[o, i, ky, kx] = sum over images and pixels of dy[n, o, y, x] * x[n, i, ..]`.
pub(in super::super) fn weight_grad(conv: &Conv, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let tiles = Tiles::forward(conv);
    let wide = tiles.outputs.next_multiple_of(LANES);
    let plan = Plan::new(tiles.count(), (tiles.channels, wide), FEW);
    let chunks = tiles.count().div_ceil(plan.chunk);
    let parts = if plan.alone { PARTS } else { 1 };
    let size = POINTS * tiles.channels * wide;
    let mut sums = Buffer::zeros(parts * size);
    let all = Shared::new(&mut sums);
    let (whole, steps) = plan.crews(Crew::Pool);
    whole.each(parts, |part| {
        // SAFETY: each part is one task's.
        let sums = unsafe { all.part(part * size, size) };
        let mut sources = Buffer::new(POINTS * (tiles.channels * plan.chunk * LANES + SKEW));
        let mut gradients = Buffer::new(POINTS * (wide * plan.chunk * LANES + SKEW));
        for i in part * chunks / parts..(part + 1) * chunks / parts {
            let range = i * plan.chunk..((i + 1) * plan.chunk).min(tiles.count());
            let job = Job { tiles: &tiles, wide, range, crew: steps };
            job.sources(x, &mut sources);
            job.gradients(dy, &mut gradients);
            job.products((&sources, &gradients), sums);
        }
    });
    let (sums, more) = sums.split_at_mut(size);
    for part in more.chunks(size) {
        elementwise::add(sums, part);
    }
    let out = Shared::new(dw);
    (0..tiles.channels).into_par_iter().for_each(|channel| {
        isa::dispatch(Weights { tiles: &tiles, wide, channel, sums, out: &out });
    });
}

struct Job<'a> {
    tiles: &'a Tiles,
    /// Outputs, filled up to whole vectors.
    wide: usize,
    range: Range<usize>,
    /// Which threads take the steps.
    crew: Crew,
}

impl Job<'_> {
    /// Distance of the source's points.
    fn before(&self) -> usize {
        self.tiles.channels * self.range.len() * LANES + SKEW
    }

    /// Distance of the gradient's points.
    fn after(&self) -> usize {
        self.wide * self.range.len() * LANES + SKEW
    }

    /// Vectors of outputs that a product takes at once.
    fn width(&self) -> usize {
        let vectors = self.wide / LANES;
        vectors.div_ceil(vectors.div_ceil(COLUMNS)) * LANES
    }

    /// Writes the source's points as `(point, channel, tile)`.
    fn sources(&self, x: &[f32], points: &mut [f32]) {
        let out = Shared::new(points);
        self.crew.each(self.tiles.channels, |channel| {
            isa::dispatch(Sources { job: self, channel, x, out: &out });
        });
    }

    /// Writes the gradient's points as `(point, panel of outputs, tile, image, output)`.
    fn gradients(&self, dy: &[f32], points: &mut [f32]) {
        let (groups, len) = (self.wide / LANES, self.range.len());
        let out = Shared::new(points);
        self.crew.each(groups * len, |i| {
            let (tile, group) = (i / groups, i % groups);
            scratch::with(POINTS * LANES * LANES, |room| {
                isa::dispatch(Gradients { job: self, tile, group, dy, room, out: &out });
            });
        });
    }

    /// Adds the products to `sums`, `(point, channel, output)`.
    fn products(&self, (sources, gradients): (&[f32], &[f32]), sums: &mut [f32]) {
        let size = self.tiles.channels * self.wide;
        let out = Shared::new(sums);
        self.crew.each(POINTS, |p| {
            // SAFETY: each point is one task's.
            let sums = unsafe { out.part(p * size, size) };
            let sources = &sources[p * self.before()..];
            let gradients = &gradients[p * self.after()..];
            isa::dispatch(Products { job: self, sources, gradients, sums });
        });
    }
}

struct Sources<'a> {
    job: &'a Job<'a>,
    channel: usize,
    x: &'a [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Sources<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sources { job, channel, x, out } = self;
        let (tiles, len) = (job.tiles, job.range.len());
        for tile in 0..len {
            let (map, square) = tiles.source(job.range.start + tile, channel);
            let map = &x[map..][..tiles.h * tiles.w * LANES];
            let first = (channel * len + tile) * LANES;
            let to = Points { all: out, first, distance: job.before() };
            // SAFETY: the map is the square's, and the points of this channel belong to this task
            // alone.
            unsafe { square.points(simd, map, to) };
        }
    }
}

struct Gradients<'a> {
    job: &'a Job<'a>,
    tile: usize,
    group: usize,
    dy: &'a [f32],
    room: &'a mut [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Gradients<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Gradients { job, tile, group, dy, room, out } = self;
        let tiles = job.tiles;
        let first = group * LANES;
        let real = LANES.min(tiles.outputs - first);
        for o in 0..real {
            let (map, square) = tiles.target(job.range.start + tile, first + o);
            let map = &dy[map..][..tiles.oh * tiles.ow * LANES];
            for lane in (0..LANES).step_by(S::F32_LANES) {
                // SAFETY: the map is whole, and `room` holds sixteen vectors a point.
                unsafe {
                    let square = square.read::<S, OUT>(simd, map.as_ptr().add(lane));
                    let points = transform::gradient_square(simd, &square);
                    for p in 0..POINTS {
                        let to = room[(p * LANES + o) * LANES + lane..].as_mut_ptr();
                        store::<S>(to, points[p / IN][p % IN]);
                    }
                }
            }
        }
        let width = job.width();
        let panel = first / width * width;
        let width = width.min(job.wide - panel);
        let (squares, _) = room.as_chunks::<LANES>().0.as_chunks::<LANES>();
        for (p, square) in squares[..POINTS].iter().enumerate() {
            let to = p * job.after() + (panel * job.range.len() + tile * width) * LANES;
            for (l, row) in transpose(simd, square).iter().enumerate() {
                // SAFETY: these outputs of this tile belong to this task alone.
                let to = unsafe { out.part(to + l * width + first - panel, LANES) };
                to.copy_from_slice(row);
            }
        }
    }
}

struct Products<'a> {
    job: &'a Job<'a>,
    sources: &'a [f32],
    gradients: &'a [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Products { job, sources, gradients, sums } = self;
        let (channels, len) = (job.tiles.channels, job.range.len());
        let tiles: Vec<u32> = (0..len).map(|t| (t * LANES) as u32).collect();
        let sources = &sources[..channels * len * LANES];
        for panel in (0..job.wide).step_by(job.width()) {
            let width = job.width().min(job.wide - panel);
            let gradients = &gradients[panel * len * LANES..][..width * len * LANES];
            for tiles in tiles.chunks(STEPS) {
                let y = gradients[tiles[0] as usize * width..].as_ptr();
                let images = Images { pixels: tiles, y, stride: width };
                for channel in (0..channels).step_by(ROWS) {
                    let rows = ROWS.min(channels - channel);
                    let mut x = [sources.as_ptr(); ROWS];
                    for (r, x) in x.iter_mut().enumerate() {
                        *x = x.wrapping_add((channel + r.min(rows - 1)) * len * LANES);
                    }
                    let out = &mut sums[channel * job.wide..][..rows * job.wide];
                    let out = (out[panel..].as_mut_ptr(), job.wide, rows);
                    // SAFETY: a row of the sources holds a vector a tile, a row of the gradients
                    // `width` values; `out` holds all rows written.
                    unsafe { micro::outer(simd, x, images, width / LANES, out) };
                }
            }
        }
    }
}

struct Weights<'a> {
    tiles: &'a Tiles,
    wide: usize,
    channel: usize,
    sums: &'a [f32],
    out: &'a Shared<'a>,
}

impl WithSimd for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Weights { tiles, wide, channel, sums, out } = self;
        let distance = tiles.channels * wide;
        for first in (0..wide).step_by(LANES) {
            let mut taps = [[0.0; LANES]; 9];
            for lane in (0..LANES).step_by(S::F32_LANES) {
                let from = &sums[channel * wide + first + lane..];
                let mut square = [[simd.splat_f32s(0.0); IN]; IN];
                for p in 0..POINTS {
                    let from = &from[p * distance..][..S::F32_LANES];
                    // SAFETY: a register's worth of values.
                    square[p / IN][p % IN] = unsafe { load::<S>(from.as_ptr()) };
                }
                let square = transform::weight_gradient_square(simd, &square);
                for (k, taps) in taps.iter_mut().enumerate() {
                    // SAFETY: `lane` is a multiple of a register below sixteen.
                    unsafe { store::<S>(taps[lane..].as_mut_ptr(), square[k / 3][k % 3]) };
                }
            }
            for o in first..tiles.outputs.min(first + LANES) {
                // SAFETY: the weights of this channel belong to this task alone.
                let to = unsafe { out.part((o * tiles.channels + channel) * 9, 9) };
                for (to, taps) in to.iter_mut().zip(&taps) {
                    *to = taps[o - first];
                }
            }
        }
    }
}
