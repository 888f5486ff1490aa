//! Sizes of a convolution of one image, and its source arranged so that windows lie in vectors.

use rayon::prelude::*;

use super::Map;
use crate::{Kernel, LANES, simd, windows};

/// Sizes of a convolution of one image. The output is no vector ([`Map::is_vector`]), and the input is
/// none unless it is [arranged](Conv::arranged): that would be a [`super::Matrix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conv {
    /// What is read.
    pub input: Map,
    /// What is written. Where the source is [arranged](Conv::arranged) its `pad` must be at least
    /// [`Conv::reach`].
    pub output: Map,
    /// Kernel height and width.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
    /// Into how many groups the channels are split; outputs read the inputs of their group alone.
    pub groups: usize,
}

impl Conv {
    /// Rows and columns, less one, that a window takes of the source once it is arranged.
    pub fn reach(&self) -> usize {
        (self.kernel - 1) / self.stride
    }

    /// Whether the source is copied first: every `stride`-th pixel together, rows as far apart as
    /// those of the output.
    pub fn arranged(&self) -> bool {
        let same = self.stride == 1 && self.input.pitch() == self.output.pitch();
        !(same && self.input.pad >= self.padding)
    }

    /// Values that the copy takes; 0 where there is none.
    pub fn room(&self) -> usize {
        if !self.arranged() {
            return 0;
        }
        self.input.channels * self.channel() + LANES
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.output.channels * self.row()
    }

    /// Weights of one output.
    pub(super) fn row(&self) -> usize {
        self.input.channels / self.groups * self.kernel * self.kernel
    }

    /// The first input channel that output `o` reads.
    pub(super) fn first_input(&self, o: usize) -> usize {
        o / (self.output.channels / self.groups) * (self.input.channels / self.groups)
    }

    /// Values between channels of the source.
    pub(super) fn channel(&self) -> usize {
        if self.arranged() { self.phases() * self.phase() } else { self.input.plane() }
    }

    /// Where the first window's first tap reads, in channel 0.
    pub(super) fn first(&self) -> usize {
        if self.arranged() {
            return 0;
        }
        self.input.lead() - self.padding * (self.input.pitch() + 1)
    }

    /// Where each tap reads, from the window's first.
    pub(super) fn taps(&self) -> Vec<usize> {
        let step = if self.arranged() { self.stride } else { 1 };
        let pitch = self.output.pitch();
        let tap = |i: usize| {
            let (y, x) = (i / self.kernel, i % self.kernel);
            (y % step * step + x % step) * self.phase() + y / step * pitch + x / step
        };
        (0..self.kernel * self.kernel).map(tap).collect()
    }

    /// Values of a channel that the windows of `len` neighbouring values read, about.
    pub(super) fn read(&self, len: usize) -> usize {
        if self.arranged() {
            return self.phases() * (len + self.reach() * (self.output.pitch() + 1));
        }
        len + (self.kernel - 1) * (self.input.pitch() + 1)
    }

    /// Maps that a stride makes of a channel.
    fn phases(&self) -> usize {
        self.stride * self.stride
    }

    /// Values of one of these; windows of the last vector reach behind its rows.
    fn phase(&self) -> usize {
        let (pitch, reach) = (self.output.pitch(), self.reach());
        let read = self.output.vectors() * LANES + reach * (pitch + 1);
        read.max((self.output.h + reach) * pitch).next_multiple_of(LANES)
    }

    pub(super) fn check(&self, (x, room, y): (usize, usize, usize)) {
        let along = |size| windows(size, self.kernel, self.stride, self.padding);
        let (input, output) = (self.input, self.output);
        assert_eq!((output.h, output.w), (along(input.h), along(input.w)), "output");
        let vector = output.is_vector() || input.is_vector() && !self.arranged();
        assert!(!vector, "vectors are for matrices");
        assert!(input.channels.is_multiple_of(self.groups), "groups of inputs");
        assert!(output.channels.is_multiple_of(self.groups), "groups of outputs");
        assert!(!self.arranged() || output.pad >= self.reach(), "too few zeros between rows");
        assert!(x == input.len() && y == output.len() && room >= self.room(), "sizes");
        let last =
            (input.channels - 1) * self.channel() + self.taps().into_iter().max().unwrap_or(0);
        let end = self.first() + last + output.vectors() * LANES;
        assert!(end <= if self.arranged() { room } else { x }, "a window reaches out of bounds");
    }

    /// Copies `x` into `room` if need be; returns what is read.
    pub(super) fn source<'a>(&self, x: &'a [f32], room: &'a mut [f32], tasks: usize) -> &'a [f32] {
        if !self.arranged() {
            return x;
        }
        let channels = room[..self.room() - LANES].chunks_exact_mut(self.channel()).enumerate();
        if tasks > 1 {
            let channels: Vec<_> = channels.collect();
            channels.into_par_iter().for_each(|(c, to)| self.arrange(x, c, to));
        } else {
            channels.for_each(|(c, to)| self.arrange(x, c, to));
        }
        room
    }

    fn arrange(&self, x: &[f32], c: usize, to: &mut [f32]) {
        simd::<Arrange, _>((self, x, c, to));
    }
}

/// One channel.
struct Arrange;

impl Kernel<(&Conv, &[f32], usize, &mut [f32])> for Arrange {
    type Out = ();

    #[inline(always)]
    fn run((conv, x, c, to): (&Conv, &[f32], usize, &mut [f32])) {
        for (i, to) in to.chunks_exact_mut(conv.phase()).enumerate() {
            let (py, px) = (i / conv.stride, i % conv.stride);
            if py >= conv.kernel || px >= conv.kernel {
                continue;
            }
            let rows = to.chunks_exact_mut(conv.output.pitch()).take(conv.output.h + conv.reach());
            for (r, to) in rows.enumerate() {
                let y = (r * conv.stride + py).wrapping_sub(conv.padding);
                if y >= conv.input.h {
                    to.fill(0.0);
                    continue;
                }
                let row = &x[conv.input.at(c, y, 0)..][..conv.input.w];
                // Column `k` is column `k * stride + px - padding` of the row.
                let first = conv.padding.saturating_sub(px).div_ceil(conv.stride).min(to.len());
                let skip = (first * conv.stride + px).saturating_sub(conv.padding);
                let from = &row[skip.min(row.len())..];
                let count = from.len().div_ceil(conv.stride).min(to.len() - first);
                to[..first].fill(0.0);
                pick(conv.stride, from, &mut to[first..first + count]);
                to[first + count..].fill(0.0);
            }
        }
    }
}

/// Every `stride`-th value of `from`.
#[inline(always)]
fn pick(stride: usize, from: &[f32], to: &mut [f32]) {
    match stride {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            let (pairs, last) = from.as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            if let (Some(to), [value]) = (to.get_mut(pairs.len()), last) {
                *to = *value;
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}
