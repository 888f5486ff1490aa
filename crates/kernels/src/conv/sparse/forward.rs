//! Sums over the kept weights: forward, and the gradient of the input.
#![allow(unsafe_code, reason = "segments are written through pointers into the output")]

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::super::Epilogue;
use super::super::epilogue::{Finish, activate};
use super::super::stencil::Stencil;
use super::super::tiling::{Item, Part, Tiling};
use super::list::{List, tiling};
use super::segment::{Steps, Sum, walk};
use crate::conv::segment::{self, Segment};
use crate::shared::Shared;
use crate::{LANES, Size, isa, scratch};

/// Tasks that a convolution is split into if its windows alone give fewer.
fn tasks() -> usize {
    2 * rayon::current_num_threads()
}

/// Writes the sums of `source` weighted by `list` to `y`.
pub(super) fn run(s: &Stencil, list: &List, source: &[f32], end: &Epilogue, y: &mut [f32]) {
    let tiling = tiling(s);
    let splits = tasks().div_ceil(tiling.items).min(s.outputs);
    let out = Shared::new(y);
    (0..tiling.items * splits).into_par_iter().for_each(|i| {
        let split = i % splits;
        let outputs = split * s.outputs / splits..(split + 1) * s.outputs / splits;
        let item = tiling.item(s, i / splits);
        scratch::with(tiling.room(s), |room| {
            let task = Task { s, list, tiling: &tiling, source, end, item, outputs, room };
            isa::dispatch(Run(task, &out));
        });
    });
}

struct Task<'a> {
    s: &'a Stencil,
    list: &'a List,
    tiling: &'a Tiling,
    source: &'a [f32],
    end: &'a Epilogue<'a>,
    item: Item,
    outputs: Range<usize>,
    room: &'a mut [f32],
}

struct Run<'a>(Task<'a>, &'a Shared<'a>);

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Task { s, list, tiling, source, end, item, outputs, room }, out) = self;
        let segments = segment::of_floats(s, tiling, &item);
        let steps = Steps {
            pitch: tiling.pitch,
            down: s.grid.step.h * s.grid.w * LANES,
            across: s.grid.step.w * LANES,
        };
        let finish = Finish::new(end, out);
        for (chunk, first) in (0..s.channels).step_by(tiling.chunk).enumerate() {
            let channels = first..(first + tiling.chunk).min(s.channels);
            let last = channels.end == s.channels;
            let read = tiling.read(s, Part { item: &item, channels }, (source, room), 0.0);
            for output in outputs.clone() {
                let sum = Sum {
                    entries: list.entries(list.range(chunk, output)),
                    start: (chunk == 0).then(|| end.bias_of(output)),
                    finish: if last { finish } else { Finish::NONE },
                };
                if sum.entries.is_empty() && sum.start.is_none() && !last {
                    continue;
                }
                for segment in &segments {
                    let at = (read[segment.at..].as_ptr(), window(s, segment, output, out));
                    // SAFETY: entries reach no farther than the taps that `read` provides for;
                    // these windows of this output belong to this task alone.
                    unsafe { walk(simd, segment, at, sum, steps) };
                }
                if let Some(activation) = end.curve().filter(|_| last) {
                    for range in s.written(&item, output) {
                        // SAFETY: as above.
                        activate(simd, activation, unsafe { out.part(range.start, range.len()) });
                    }
                }
            }
        }
    }
}

/// The first window of `segment` of `output`, its range checked.
pub(in super::super) fn window(
    s: &Stencil,
    segment: &Segment,
    output: usize,
    out: &Shared,
) -> *mut f32 {
    let Size { h, w } = s.grid.step;
    let last = (segment.rows - 1) * h * s.grid.w + (segment.columns - 1) * w;
    out.pointer(segment.to + output * s.plane(), (last + 1) * LANES)
}
