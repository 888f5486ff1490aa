//! The gradient of a dense convolution's weight, of any shape: the images' correlation with the
//! output's gradient.
//!
//! The gradient is laid out anew with the outputs innermost, so that one vector is sixteen
//! outputs of one pixel of one image; a product's rows are weights, each a shifted view of the
//! source.
#![allow(unsafe_code, reason = "panels are computed through pointers into the task's own rooms")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::Conv;
use super::micro::{self, COLUMNS, Images, ROWS};
use super::stencil::Stencil;
use super::tiling::{Item, Part, Share, Tiling};
use super::transpose::transpose;
use crate::scratch::Buffer;
use crate::{LANES, isa, scratch};

/// What a task takes at a time.
const SHARE: Share = Share { windows: 64, room: 64 << 10, in_place: true };
/// Windows of one sum, so that their gradients stay in the first-level cache.
const STEPS: usize = 8;
/// Outputs of a task.
const OUTPUTS: usize = 4 * LANES;
/// Tasks aimed at.
const TASKS: usize = 8;

/// `dw[o, i, ky, kx] = sum over images and pixels of dy[n, o, y, x] * x[n, i, ..]`.
pub(super) fn weight_grad(conv: &Conv, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let s = Stencil::forward(conv);
    let tiling = Tiling::new(&s, SHARE);
    let ranges = conv.outputs.div_ceil(OUTPUTS);
    let parts = (TASKS / ranges).clamp(1, tiling.items);
    let taps = tiling.taps(&s);
    let job = Job { conv, s: &s, tiling: &tiling, taps: &taps, dy, x };
    let mut sums = Buffer::zeros(ranges * parts * job.len());
    sums.par_chunks_mut(job.len()).enumerate().for_each(|(i, sums)| {
        let (range, part) = (i / parts, i % parts);
        let items = part * tiling.items / parts..(part + 1) * tiling.items / parts;
        scratch::with(tiling.room(&s) + job.windows() * LANES * OUTPUTS, |room| {
            isa::dispatch(Task { job: &job, items, first: range * OUTPUTS, room, sums });
        });
    });
    dw.par_chunks_mut(conv.row()).enumerate().for_each(|(o, dw)| {
        let range = &sums[o / OUTPUTS * parts * job.len()..][..parts * job.len()];
        for (k, dw) in dw.iter_mut().enumerate() {
            let at = k * OUTPUTS + o % OUTPUTS;
            *dw = range.chunks_exact(job.len()).map(|part| part[at]).sum();
        }
    });
}

struct Job<'a> {
    conv: &'a Conv,
    s: &'a Stencil,
    tiling: &'a Tiling,
    taps: &'a [u32],
    dy: &'a [f32],
    x: &'a [f32],
}

impl Job<'_> {
    /// Sums of one task: (weight of an output, output of the range).
    fn len(&self) -> usize {
        self.conv.row() * OUTPUTS
    }

    /// Most windows of an item.
    fn windows(&self) -> usize {
        self.tiling.blocks.min(self.s.blocks) * self.tiling.rows * self.tiling.columns
    }

    /// Writes the gradient of `item` as (panel, window, image, output of the panel).
    #[inline(always)]
    fn spread<S: Simd>(&self, simd: S, item: &Item, panels: &[Panel], out: &mut [f32]) {
        let s = self.s;
        let (plane, width) = (s.plane(), item.columns.len());
        let count = item.blocks.len() * item.windows();
        for panel in panels {
            let out = &mut out[panel.start * count * LANES..];
            for (b, block) in item.blocks.clone().enumerate() {
                for w in 0..item.windows() {
                    let (row, column) =
                        (item.rows.start + w / width, item.columns.start + w % width);
                    let from = s.target(block, row, column) + panel.output * plane;
                    let to = &mut out[(b * item.windows() + w) * LANES * panel.width..];
                    turn(simd, plane, panel, &self.dy[from..], &mut to[..LANES * panel.width]);
                }
            }
        }
    }
}

/// Some outputs of a range.
struct Panel {
    /// First of all outputs.
    output: usize,
    /// First of the range's outputs.
    start: usize,
    /// Outputs, a multiple of sixteen.
    width: usize,
    /// Outputs that exist.
    real: usize,
}

/// The panels of the range of outputs from `first` on, as even as can be.
fn panels(outputs: usize, first: usize) -> Vec<Panel> {
    let real = OUTPUTS.min(outputs - first);
    let vectors = real.div_ceil(LANES);
    let width = vectors.div_ceil(vectors.div_ceil(COLUMNS)) * LANES;
    let panel = |start: usize| Panel {
        output: first + start,
        start,
        width: width.min(vectors * LANES - start),
        real: width.min(real - start),
    };
    (0..real).step_by(width).map(panel).collect()
}

/// One window of a panel as (image, output), from outputs `plane` apart.
#[inline(always)]
fn turn<S: Simd>(simd: S, plane: usize, panel: &Panel, from: &[f32], to: &mut [f32]) {
    for group in (0..panel.real).step_by(LANES) {
        let mut rows = [[0.0; LANES]; LANES];
        for (r, row) in rows[..LANES.min(panel.real - group)].iter_mut().enumerate() {
            row.copy_from_slice(&from[(group + r) * plane..][..LANES]);
        }
        for (l, row) in transpose(simd, &rows).iter().enumerate() {
            to[l * panel.width + group..][..LANES].copy_from_slice(row);
        }
    }
}

struct Task<'a> {
    job: &'a Job<'a>,
    items: Range<usize>,
    first: usize,
    room: &'a mut [f32],
    sums: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Task { job, items, first, room, sums } = self;
        let (s, tiling) = (job.s, job.tiling);
        let (source, spread) = room.split_at_mut(tiling.room(s));
        let outputs = panels(s.outputs, first);
        for item in items.map(|i| tiling.item(s, i)) {
            job.spread(simd, &item, &outputs, spread);
            let windows = windows(tiling, &item);
            for channel in (0..s.channels).step_by(tiling.chunk) {
                let channels = channel..(channel + tiling.chunk).min(s.channels);
                let taps = &job.taps[..channels.len() * s.taps.len()];
                let part = Part { item: &item, channels };
                let source = tiling.read(s, part, (job.x, source), 0.0);
                let sums = &mut sums[channel * s.taps.len() * OUTPUTS..];
                for panel in &outputs {
                    let spread = &spread[panel.start * windows.len() * LANES..];
                    for (i, windows) in windows.chunks(STEPS).enumerate() {
                        let spread = &spread[i * STEPS * LANES * panel.width..];
                        add(simd, panel, taps, (source, spread, windows), sums);
                    }
                }
            }
        }
    }
}

/// Where each window of `item` stands in what is read.
fn windows(tiling: &Tiling, item: &Item) -> Vec<u32> {
    let mut all = Vec::with_capacity(item.blocks.len() * item.windows());
    for block in 0..item.blocks.len() {
        for row in 0..item.rows.len() {
            all.extend((0..item.columns.len()).map(|c| tiling.window(block, row, c) as u32));
        }
    }
    all
}

/// `sums[k, o] += sum over windows and images of source[tap k] * spread[o]`.
#[inline(always)]
fn add<S: Simd>(
    simd: S,
    panel: &Panel,
    taps: &[u32],
    (source, spread, windows): (&[f32], &[f32], &[u32]),
    sums: &mut [f32],
) {
    let spread = &spread[..windows.len() * LANES * panel.width];
    let images = Images { pixels: windows, y: spread.as_ptr(), stride: panel.width };
    for (i, taps) in taps.chunks(ROWS).enumerate() {
        let mut x = [source.as_ptr(); ROWS];
        for (r, x) in x.iter_mut().enumerate() {
            *x = x.wrapping_add(taps[r.min(taps.len() - 1)] as usize);
        }
        let rows = &mut sums[i * ROWS * OUTPUTS..][..taps.len() * OUTPUTS];
        let out = rows[panel.start..].as_mut_ptr();
        let vectors = panel.width / LANES;
        // SAFETY: taps of these windows lie inside `source`, `spread` holds a row a
        // window and image, and `rows` holds all rows written.
        unsafe { micro::outer(simd, x, images, vectors, (out, OUTPUTS, taps.len())) };
    }
}
