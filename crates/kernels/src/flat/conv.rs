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
        // A window may reach no farther behind the last pixel than there are zeros.
        let near = self.kernel <= 2 * self.padding + 1 && self.padding <= self.input.pad;
        !(same && near)
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
        let (step, taken) = if self.arranged() { (self.stride, self.taken()) } else { (1, 1) };
        let pitch = self.output.pitch();
        let tap = |i: usize| {
            let (y, x) = (i / self.kernel, i % self.kernel);
            (y % step * taken + x % step) * self.phase() + y / step * pitch + x / step
        };
        (0..self.kernel * self.kernel).map(tap).collect()
    }

    /// No tap reads farther than this from the window's first.
    fn farthest(&self) -> usize {
        if self.arranged() {
            return (self.phases() - 1) * self.phase() + self.reach() * (self.output.pitch() + 1);
        }
        (self.kernel - 1) * (self.input.pitch() + 1)
    }

    /// Values of a channel that the windows of `len` neighbouring values read, about.
    pub(super) fn read(&self, len: usize) -> usize {
        if self.arranged() {
            return self.phases() * (len + self.reach() * (self.output.pitch() + 1));
        }
        len + (self.kernel - 1) * (self.input.pitch() + 1)
    }

    /// Rows and columns of the maps that a stride makes of a channel and that taps read.
    fn taken(&self) -> usize {
        self.stride.min(self.kernel)
    }

    /// How many these maps are.
    fn phases(&self) -> usize {
        self.taken() * self.taken()
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
        let last = (input.channels - 1) * self.channel() + self.farthest();
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
        // All at once: the few zeros of each row by themselves would take longer than the rows.
        to.fill(0.0);
        // Divisions, once each: they take longer than a row, too.
        let (stride, pitch, taken) = (conv.stride, conv.output.pitch(), conv.taken());
        let (h, width, row) = (conv.input.h, conv.input.w, conv.input.pitch());
        let from = &x[conv.input.at(c, 0, 0)..];
        for (i, to) in to.chunks_exact_mut(conv.phase()).enumerate() {
            let (py, px) = (i / taken, i % taken);
            // The first pixel of a row that this phase takes, and its column there.
            let first = (px + stride - conv.padding % stride) % stride;
            let column = (first + conv.padding) / stride;
            if first >= width || column >= pitch {
                continue;
            }
            let count = (width - first).div_ceil(stride).min(pitch - column);
            let rows = to.chunks_exact_mut(pitch).take(conv.output.h + conv.reach());
            for (r, to) in rows.enumerate() {
                let y = (r * stride + py).wrapping_sub(conv.padding);
                if y < h {
                    let own = &from[y * row + first..y * row + width];
                    pick(stride, own, &mut to[column..column + count]);
                }
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
            // Rows are short: with a count that it does not know the compiler would leave most of
            // each to a loop over single values.
            let (wide, rest) = to.as_chunks_mut::<LANES>();
            let mut from = from;
            for to in wide {
                let (own, after) = from.split_at(from.len().min(2 * LANES));
                from = after;
                match own.as_array::<{ 2 * LANES }>() {
                    Some(own) => (0..LANES).for_each(|i| to[i] = own[2 * i]),
                    None => to.iter_mut().zip(own.iter().step_by(2)).for_each(|(t, f)| *t = *f),
                }
            }
            rest.iter_mut().zip(from.iter().step_by(2)).for_each(|(to, from)| *to = *from);
        }
        _ => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from),
    }
}
