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

/// Tasks that the sum is split into if its windows alone give fewer.
const TASKS: usize = 16;

/// Writes the gradients of the kept weights, and zeros elsewhere, to `dw`.
///
/// Every item sums its own; the items' sums are added in order.
pub(super) fn run(s: &Stencil, list: &List, (dy, x): (&[f32], &[f32]), dw: &mut [f32]) {
    let tiling = tiling(s);
    let splits = TASKS.div_ceil(tiling.items).min(s.outputs);
    let mut sums = Buffer::new(tiling.items * list.len());
    let out = Shared::new(&mut sums);
    (0..tiling.items * splits).into_par_iter().for_each(|i| {
        let (item, split) = (i / splits, i % splits);
        let outputs = split * s.outputs / splits..(split + 1) * s.outputs / splits;
        let vectors = tiling.chunk * s.taps.len() * LANES;
        scratch::with(tiling.room(s) + vectors, |room| {
            let (room, vectors) = room.split_at_mut(tiling.room(s));
            let first = item * list.len();
            let item = tiling.item(s, item);
            let task = Task { s, list, tiling: &tiling, dy, x, item, outputs, room, vectors };
            isa::dispatch(Run(task, &out, first));
        });
    });
    dw.fill(0.0);
    for (i, at) in list.index().iter().enumerate() {
        dw[*at as usize] = (0..tiling.items).map(|item| sums[item * list.len() + i]).sum();
    }
}

struct Task<'a> {
    s: &'a Stencil,
    list: &'a List,
    tiling: &'a Tiling,
    dy: &'a [f32],
    x: &'a [f32],
    item: Item,
    outputs: Range<usize>,
    room: &'a mut [f32],
    vectors: &'a mut [f32],
}

/// A task, where its sums go, and where those of its item begin.
struct Run<'a>(Task<'a>, &'a Shared<'a>, usize);

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(task, out, start) = self;
        let Task { s, list, tiling, dy, x, item, outputs, room, vectors } = task;
        let segments = segments(s, tiling, &item);
        let steps = Steps { pitch: tiling.pitch, down: s.grid.w * LANES, across: LANES };
        for (chunk, first) in (0..s.channels).step_by(tiling.chunk).enumerate() {
            let channels = first..(first + tiling.chunk).min(s.channels);
            tiling.gather((s, &item), channels, x, room);
            for output in outputs.clone() {
                let range = list.range(chunk, output);
                let entries = list.entries(range.clone());
                for (i, segment) in segments.iter().enumerate() {
                    let last = (segment.rows - 1) * s.grid.w + segment.columns;
                    let dy = &dy[segment.to + output * s.plane()..][..last * LANES];
                    let at = (room[segment.at..].as_ptr(), dy.as_ptr());
                    // SAFETY: entries reach no farther than the taps that `gather` filled the
                    // room for; the windows lie in `dy`, and `vectors` has room for all taps.
                    unsafe {
                        dots(simd, segment, at, (entries, vectors.as_mut_ptr(), i == 0), steps);
                    };
                }
                // SAFETY: these entries' sums of this item belong to this task alone.
                let to = unsafe { out.part(start + range.start, range.len()) };
                for (to, vector) in to.iter_mut().zip(vectors.chunks_exact(LANES)) {
                    *to = total(simd, vector);
                }
            }
        }
    }
}
