//! The source of a convolution of one image, copied where its windows cannot be read as vectors in place.

use std::ops::Range;

use rayon::prelude::*;

use super::conv::Layout;
use super::{Conv, Map};
use crate::{Kernel, LANES, Window, pairs, simd};

/// How a convolution reads its source.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub layout: Layout,
    input: Map,
    plan: Option<CopyPlan>,
}

/// What to copy of each channel. Computed once: the divisions for it take longer than copying a row.
#[derive(Debug, Clone)]
struct CopyPlan {
    rows: Vec<Row>,
    /// Distance between the copied pixels of a row.
    stride: usize,
}

/// Pixels of one row that are contiguous in the copy.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Where the first lies in the input's channel.
    from: usize,
    /// Where the first goes in the copy's channel.
    to: usize,
    count: usize,
}

impl Reader {
    pub fn new(conv: &Conv) -> Self {
        let plan = conv.arranged().then(|| CopyPlan::new(conv));
        Self { layout: conv.source_layout(), input: conv.input, plan }
    }

    /// Whether the source is copied.
    pub fn is_copied(&self) -> bool {
        self.plan.is_some()
    }

    /// Copies `x` into `room` if need be; returns what is read.
    pub fn source<'a>(&self, x: &'a [f32], room: &'a mut [f32], tasks: usize) -> &'a [f32] {
        let channels = self.input.channels;
        if self.plan.is_none() || tasks <= 1 {
            return self.source_of(x, 0..channels, room);
        }
        // Vectors of the last channel reach past its end: the rest of `room` is for them.
        let whole = &mut room[..channels * self.layout.channel];
        let each = channels.div_ceil(tasks);
        let runs = whole.par_chunks_mut(each * self.layout.channel).enumerate();
        runs.for_each(|(i, to)| {
            let run = i * each..channels.min((i + 1) * each);
            self.source_of(x, run, to);
        });
        room
    }

    /// As [`Self::source`], of some channels on this thread.
    pub fn source_of<'a>(
        &self,
        x: &'a [f32],
        channels: Range<usize>,
        room: &'a mut [f32],
    ) -> &'a [f32] {
        let plane = self.input.plane();
        let Some(plan) = &self.plan else { return &x[channels.start * plane..] };
        for (c, to) in channels.zip(room.chunks_exact_mut(self.layout.channel)) {
            plan.run(&x[c * plane..], to);
        }
        room
    }
}

impl CopyPlan {
    fn new(conv: &Conv) -> Self {
        let Window { stride, dilation, padding, .. } = conv.window;
        let (phases, rows) = (conv.phases(), conv.output.h + conv.reach().h);
        let (pitch, h, width) = (conv.output.pitch(), conv.input.h, conv.input.w);
        let mut copied = Vec::new();
        for phase in 0..phases.pixels() {
            let py = phase / phases.w * dilation.h % stride.h;
            let px = phase % phases.w * dilation.w % stride.w;
            // The first pixel of a row that this phase takes, and its column there.
            let first = (px + stride.w - padding.left % stride.w) % stride.w;
            let column = (first + padding.left) / stride.w;
            if first >= width || column >= pitch {
                continue;
            }
            let count = (width - first).div_ceil(stride.w).min(pitch - column);
            let row = |r: usize| {
                let y = (r * stride.h + py).checked_sub(padding.top).filter(|y| *y < h)?;
                let to = phase * conv.phase() + r * pitch + column;
                Some(Row { from: conv.input.at(0, y, first), to, count })
            };
            copied.extend((0..rows).filter_map(row));
        }
        Self { rows: copied, stride: stride.w }
    }

    /// Copies the channel with which `x` begins.
    fn run(&self, x: &[f32], to: &mut [f32]) {
        simd::<CopyChannel, _>((self, x, to));
    }
}

/// Copies one channel.
struct CopyChannel;

impl Kernel<(&CopyPlan, &[f32], &mut [f32])> for CopyChannel {
    type Out = ();

    #[inline(always)]
    fn run((plan, x, to): (&CopyPlan, &[f32], &mut [f32])) {
        // Cleared all at once: clearing only the few zeros of each row would take longer than copying the rows.
        to.fill(0.0);
        for row in &plan.rows {
            pick(plan.stride, &x[row.from..], &mut to[row.to..row.to + row.count]);
        }
    }
}

/// Every `stride`-th value of `from`.
#[inline(always)]
fn pick(stride: usize, from: &[f32], to: &mut [f32]) {
    match stride {
        1 => to.copy_from_slice(&from[..to.len()]),
        // Rows are short: with a count unknown at compile time, most of each row would go to the scalar
        // remainder loop. `2 * to.len()` values are in range: an image ends with a spare vector.
        2 => {
            let from = &from[..2 * to.len()];
            let at = evens::<LANES>(0, from, to);
            let at = evens::<8>(at, from, to);
            let at = evens::<4>(at, from, to);
            evens::<1>(at, from, to);
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}

/// Copies every second value of `from` to `to`, from index `at` of `to` on, as long as `N` at a time fit.
/// Returns the first index of `to` that is not written.
#[inline(always)]
fn evens<const N: usize>(at: usize, from: &[f32], to: &mut [f32]) -> usize {
    let chunks = to[at..].as_chunks_mut::<N>().0;
    let end = at + chunks.len() * N;
    for (chunk, values) in chunks.iter_mut().zip(from[2 * at..].chunks_exact(2 * N)) {
        *chunk = pairs::first(values);
    }
    end
}
