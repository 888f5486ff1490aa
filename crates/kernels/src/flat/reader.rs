//! The source of a convolution of one image, copied where windows would not lie in vectors.

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
    copies: Option<Copies>,
}

/// What is copied of each channel, made once: its divisions take longer than copying a row.
#[derive(Debug, Clone)]
struct Copies {
    rows: Vec<Row>,
    /// From one pixel that is taken of a row to the next.
    stride: usize,
}

/// Pixels that come to lie beside each other.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Where the first lies in the input's channel.
    from: usize,
    /// Where it goes in the copy's.
    to: usize,
    count: usize,
}

impl Reader {
    pub fn new(conv: &Conv) -> Self {
        let copies = conv.arranged().then(|| Copies::new(conv));
        Self { layout: conv.source_layout(), input: conv.input, copies }
    }

    /// Whether anything is copied.
    pub fn copies(&self) -> bool {
        self.copies.is_some()
    }

    /// Copies `x` into `room` if need be; returns what is read.
    pub fn source<'a>(&self, x: &'a [f32], room: &'a mut [f32], tasks: usize) -> &'a [f32] {
        let copies = match &self.copies {
            Some(copies) if tasks > 1 => copies,
            _ => return self.source_of(x, 0..self.input.channels, room),
        };
        // Of the last channel the vectors reach behind it.
        let channels = &mut room[..self.input.channels * self.layout.channel];
        let channels = channels.par_chunks_exact_mut(self.layout.channel).enumerate();
        channels.for_each(|(c, to)| copies.run(&x[c * self.input.plane()..], to));
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
        let Some(copies) = &self.copies else { return &x[channels.start * plane..] };
        for (c, to) in channels.zip(room.chunks_exact_mut(self.layout.channel)) {
            copies.run(&x[c * plane..], to);
        }
        room
    }
}

impl Copies {
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
        simd::<Copy, _>((self, x, to));
    }
}

/// One channel.
struct Copy;

impl Kernel<(&Copies, &[f32], &mut [f32])> for Copy {
    type Out = ();

    #[inline(always)]
    fn run((copies, x, to): (&Copies, &[f32], &mut [f32])) {
        // All at once: the few zeros of each row by themselves would take longer than the rows.
        to.fill(0.0);
        for row in &copies.rows {
            pick(copies.stride, &x[row.from..], &mut to[row.to..row.to + row.count]);
        }
    }
}

/// Every `stride`-th value of `from`.
#[inline(always)]
fn pick(stride: usize, from: &[f32], to: &mut [f32]) {
    match stride {
        1 => to.copy_from_slice(&from[..to.len()]),
        // Rows are short: with a count that it does not know the compiler would leave most of each to
        // a loop over single values. Behind the last value of an image there is a vector's worth.
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

/// Every second value of `from` as far as `N` at a time fit, from place `at` of `to` on; the first place
/// that is left.
#[inline(always)]
fn evens<const N: usize>(at: usize, from: &[f32], to: &mut [f32]) -> usize {
    let places = to[at..].as_chunks_mut::<N>().0;
    let end = at + places.len() * N;
    for (place, own) in places.iter_mut().zip(from[2 * at..].chunks_exact(2 * N)) {
        *place = pairs::first(own);
    }
    end
}
