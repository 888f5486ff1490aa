//! The gradient of the kept weights.
#![allow(unsafe_code, reason = "segments are read through pointers")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::stencil::Stencil;
use super::super::tiling::{Item, Part, Tiling};
use super::list::{List, tiling};
use super::segment::{Steps, dots, total};
use crate::conv::segment;
use crate::scratch::Buffer;
use crate::shared::Shared;
use crate::{LANES, isa, scratch};

/// Outputs of a task, aimed at.
const OUTPUTS: usize = 64;
/// Most tasks that share a part of the windows.
const SPLITS: usize = 8;
/// Tasks aimed at.
const TASKS: usize = 16;

/// Writes the gradients of the kept weights, and zeros elsewhere, to `dw`.
///
/// A task sums some windows for some outputs; the sums of the windows' parts are added in order.
pub(super) fn run(s: &Stencil, list: &List, (dy, x): (&[f32], &[f32]), dw: &mut [f32]) {
    let tiling = tiling(s);
    let splits = (s.outputs / OUTPUTS).clamp(1, SPLITS);
    let parts = (TASKS / splits).min(tiling.items);
    let mut sums = Buffer::new(parts * list.len());
    let out = Shared::new(&mut sums);
    let most = (0..splits).map(|i| list.widest(split(i, splits, s.outputs))).max().unwrap_or(0);
    let job = Job { s, list, tiling: &tiling, dy, x };
    (0..parts * splits).into_par_iter().for_each(|i| {
        let part = i / splits;
        let items = split(part, parts, tiling.items);
        let outputs = split(i % splits, splits, s.outputs);
        scratch::with(tiling.room(s) + most * LANES, |room| {
            let (room, vectors) = room.split_at_mut(tiling.room(s));
            let task = Task { job: &job, items, outputs, room, vectors };
            isa::dispatch(Run(task, &out, part * list.len()));
        });
    });
    let row = s.channels * s.taps.len();
    dw.par_chunks_mut(row).enumerate().for_each(|(output, dw)| {
        dw.fill(0.0);
        for i in (0..s.channels.div_ceil(tiling.chunk)).flat_map(|c| list.range(c, output)) {
            let sum = (0..parts).map(|part| sums[part * list.len() + i]).sum();
            dw[list.index()[i] as usize - output * row] = sum;
        }
    });
}

/// The `i`-th of `parts` even parts of `0..len`.
fn split(i: usize, parts: usize, len: usize) -> Range<usize> {
    i * len / parts..(i + 1) * len / parts
}

struct Job<'a> {
    s: &'a Stencil,
    list: &'a List,
    tiling: &'a Tiling,
    dy: &'a [f32],
    x: &'a [f32],
}

struct Task<'a> {
    job: &'a Job<'a>,
    items: Range<usize>,
    outputs: Range<usize>,
    room: &'a mut [f32],
    /// A vector of partial sums for each entry of one chunk.
    vectors: &'a mut [f32],
}

/// A task, where its sums go, and where those of its part begin.
struct Run<'a>(Task<'a>, &'a Shared<'a>, usize);

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Task { job, items, outputs, room, vectors }, out, start) = self;
        let Job { s, list, tiling, x, .. } = *job;
        for (chunk, first) in (0..s.channels).step_by(tiling.chunk).enumerate() {
            let channels = first..(first + tiling.chunk).min(s.channels);
            let entries = list.range_of(chunk, outputs.clone());
            if entries.is_empty() {
                continue;
            }
            for (i, item) in items.clone().enumerate() {
                let item = tiling.item(s, item);
                let part = Part { item: &item, channels: channels.clone() };
                let read = tiling.read(s, part, (x, room), 0.0);
                let visit = Visit { job, item: &item, chunk, read, first: i == 0 };
                visit.add(simd, outputs.clone(), vectors);
            }
            // SAFETY: these entries' sums of this part belong to this task alone.
            let to = unsafe { out.part(start + entries.start, entries.len()) };
            for (to, vector) in to.iter_mut().zip(vectors.chunks_exact(LANES)) {
                *to = total(simd, vector);
            }
        }
    }
}

/// The windows of one item and the entries of one chunk of channels.
struct Visit<'a> {
    job: &'a Job<'a>,
    item: &'a Item,
    chunk: usize,
    /// What the windows read of these channels.
    read: &'a [f32],
    /// Whether the sums begin here.
    first: bool,
}

impl Visit<'_> {
    /// Adds the windows to `vectors`, one for each entry of `outputs`.
    #[inline(always)]
    fn add<S: Simd>(&self, simd: S, outputs: Range<usize>, vectors: &mut [f32]) {
        let Job { s, list, tiling, dy, .. } = *self.job;
        let start = list.range_of(self.chunk, outputs.clone()).start;
        let steps = Steps { pitch: tiling.pitch, down: s.grid.w * LANES, across: LANES };
        let segments = segment::of_floats(s, tiling, self.item);
        for output in outputs {
            let range = list.range(self.chunk, output);
            let vectors = &mut vectors[(range.start - start) * LANES..];
            let vectors = &mut vectors[..range.len() * LANES];
            let entries = list.entries(range);
            for (i, segment) in segments.iter().enumerate() {
                let last = (segment.rows - 1) * s.grid.w + segment.columns;
                let dy = &dy[segment.to + output * s.plane()..][..last * LANES];
                let at = (self.read[segment.at..].as_ptr(), dy.as_ptr());
                let to = (entries, vectors.as_mut_ptr(), self.first && i == 0);
                // SAFETY: entries reach no farther than the taps that `read` provides for; the
                // windows lie in `dy`, and `vectors` holds a vector an entry.
                unsafe { dots(simd, segment, at, to, steps) };
            }
        }
    }
}
