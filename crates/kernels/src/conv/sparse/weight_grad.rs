//! The gradient of the kept weights.
#![allow(unsafe_code, reason = "segments are read through pointers")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::stencil::{Item, Stencil, Tiling};
use super::list::{List, tiling};
use super::segment::{Steps, dots, segments, total};
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
    (0..parts * splits).into_par_iter().for_each(|i| {
        let part = i / splits;
        let items = split(part, parts, tiling.items);
        let outputs = split(i % splits, splits, s.outputs);
        scratch::with(tiling.room(s) + most * LANES, |room| {
            let (room, vectors) = room.split_at_mut(tiling.room(s));
            let task = Task { s, list, tiling: &tiling, dy, x, items, outputs, room, vectors };
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

struct Task<'a> {
    s: &'a Stencil,
    list: &'a List,
    tiling: &'a Tiling,
    dy: &'a [f32],
    x: &'a [f32],
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
        let Self(mut task, out, start) = self;
        for (chunk, first) in (0..task.s.channels).step_by(task.tiling.chunk).enumerate() {
            let channels = first..(first + task.tiling.chunk).min(task.s.channels);
            let entries = task.list.range_of(chunk, task.outputs.clone());
            if entries.is_empty() {
                continue;
            }
            for (visit, item) in task.items.clone().enumerate() {
                let item = task.tiling.item(task.s, item);
                task.tiling.gather((task.s, &item), channels.clone(), task.x, task.room);
                task.item(simd, &item, (chunk, entries.start), visit == 0);
            }
            // SAFETY: these entries' sums of this part belong to this task alone.
            let to = unsafe { out.part(start + entries.start, entries.len()) };
            for (to, vector) in to.iter_mut().zip(task.vectors.chunks_exact(LANES)) {
                *to = total(simd, vector);
            }
        }
    }
}

impl Task<'_> {
    /// Adds the windows of `item` to the entries of a chunk, of which the task's begin at `start`.
    #[inline(always)]
    fn item<S: Simd>(&mut self, simd: S, item: &Item, (chunk, start): (usize, usize), first: bool) {
        let s = self.s;
        let steps = Steps { pitch: self.tiling.pitch, down: s.grid.w * LANES, across: LANES };
        let segments = segments(s, self.tiling, item);
        for output in self.outputs.clone() {
            let range = self.list.range(chunk, output);
            let vectors = &mut self.vectors[(range.start - start) * LANES..];
            let vectors = &mut vectors[..range.len() * LANES];
            let entries = self.list.entries(range);
            for (i, segment) in segments.iter().enumerate() {
                let last = (segment.rows - 1) * s.grid.w + segment.columns;
                let dy = &self.dy[segment.to + output * s.plane()..][..last * LANES];
                let at = (self.room[segment.at..].as_ptr(), dy.as_ptr());
                let to = (entries, vectors.as_mut_ptr(), first && i == 0);
                // SAFETY: entries reach no farther than the taps that `gather` filled the room
                // for; the windows lie in `dy`, and `vectors` holds a vector an entry.
                unsafe { dots(simd, segment, at, to, steps) };
            }
        }
    }
}
