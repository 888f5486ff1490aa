//! Sizes of a convolution of one image, and where its windows read.

use super::Map;
use crate::conv::Epilogue;
use crate::{LANES, Size, Window};

/// Sizes of a convolution of one image. The output is no vector ([`Map::is_vector`]), and the input is
/// none unless it is [arranged](Conv::arranged): that would be a [`super::Matrix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conv {
    /// What is read.
    pub input: Map,
    /// What is written. Where the source is [arranged](Conv::arranged) its `pad` must be at least
    /// the width of [`Conv::reach`].
    pub output: Map,
    /// What each output reads.
    pub window: Window,
    /// Into how many groups the channels are split; outputs read the inputs of their group alone.
    pub groups: usize,
}

/// Where a channel's windows read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Values between channels.
    pub channel: usize,
    /// Where the first window's first tap reads, in channel 0.
    pub first: usize,
    /// Maps of a channel that taps read, and values between them.
    pub phases: usize,
    pub phase: usize,
    /// How far behind its window a tap reads, at most, in its map.
    pub reach: usize,
}

impl Layout {
    /// Values of a channel that the windows of `len` neighbouring values read, about.
    pub(super) fn read(self, len: usize) -> usize {
        self.phases * (len + self.reach)
    }

    /// No tap reads farther than this from the window's first.
    fn farthest(self) -> usize {
        (self.phases - 1) * self.phase + self.reach
    }
}

/// The greatest common divisor.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

impl Conv {
    /// Rows and columns, less one, that a window takes of the source once it is arranged.
    pub fn reach(&self) -> Size {
        let (span, stride) = (self.window.span(), self.window.stride);
        Size { h: (span.h - 1) / stride.h, w: (span.w - 1) / stride.w }
    }

    /// Whether the source is copied first: pixels that neighbouring windows read beside each other,
    /// rows as far apart as those of the output, zeros as far as windows reach.
    pub fn arranged(&self) -> bool {
        let (window, input) = (self.window, self.input);
        let padding = window.padding;
        let sides = [padding.top, padding.left, padding.bottom, padding.right];
        let here = window.stride == Size::square(1)
            && input.pitch() == self.output.pitch()
            && sides.iter().all(|side| *side <= input.pad);
        !here || self.end(self.lying()) > input.len()
    }

    /// Values of the room that a convolution of one group takes: those of the copy; 0 where there is
    /// none, and for groups, which are copied one at a time.
    pub fn room(&self) -> usize {
        if self.groups > 1 { 0 } else { self.copied(self.input.channels) }
    }

    /// Values that a copy of so many channels takes; 0 where there is none.
    pub(super) fn copied(&self, channels: usize) -> usize {
        if self.arranged() { channels * self.channel() + LANES } else { 0 }
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.output.channels * self.row()
    }

    /// Weights of one output.
    pub(super) fn row(&self) -> usize {
        self.input.channels / self.groups * self.window.kernel.pixels()
    }

    /// How the source lies that windows read.
    pub(super) fn source_layout(&self) -> Layout {
        if !self.arranged() {
            return self.lying();
        }
        let reach = self.reach();
        Layout {
            channel: self.channel(),
            first: 0,
            phases: self.phases().pixels(),
            phase: self.phase(),
            reach: reach.h * self.output.pitch() + reach.w,
        }
    }

    /// As the input has it.
    fn lying(&self) -> Layout {
        let (span, padding, pitch) = (self.window.span(), self.window.padding, self.input.pitch());
        let before = padding.top * pitch + padding.left;
        Layout {
            channel: self.input.plane(),
            first: self.input.lead() - before,
            phases: 1,
            phase: 0,
            reach: (span.h - 1) * pitch + span.w - 1,
        }
    }

    /// Where the vectors of the last channel end that the windows of `source` read.
    fn end(&self, source: Layout) -> usize {
        let last = (self.input.channels - 1) * source.channel + source.farthest();
        source.first + last + self.output.vectors() * LANES
    }

    /// Where each tap reads, from the window's first.
    pub(super) fn taps(&self) -> Vec<usize> {
        let Window { kernel, stride, dilation, .. } = self.window;
        let (arranged, phases, cycle) = (self.arranged(), self.phases(), self.cycle());
        let pitch = self.output.pitch();
        let tap = |i: usize| {
            let (ky, kx) = (i / kernel.w, i % kernel.w);
            let (y, x) = (ky * dilation.h, kx * dilation.w);
            if !arranged {
                return y * pitch + x;
            }
            let phase = ky % cycle.h * phases.w + kx % cycle.w;
            phase * self.phase() + y / stride.h * pitch + x / stride.w
        };
        (0..kernel.pixels()).map(tap).collect()
    }

    /// Taps down and across after which the next reads the same phase of the stride again.
    fn cycle(&self) -> Size {
        let Window { stride, dilation, .. } = self.window;
        Size {
            h: stride.h / common(stride.h, dilation.h),
            w: stride.w / common(stride.w, dilation.w),
        }
    }

    /// Phases of the stride down and across that taps read: a map of the copy each.
    pub(super) fn phases(&self) -> Size {
        let (cycle, kernel) = (self.cycle(), self.window.kernel);
        Size { h: cycle.h.min(kernel.h), w: cycle.w.min(kernel.w) }
    }

    /// Values of one of these maps; windows of the last vector reach behind its rows.
    pub(super) fn phase(&self) -> usize {
        let (pitch, reach) = (self.output.pitch(), self.reach());
        let read = self.output.vectors() * LANES + reach.h * pitch + reach.w;
        read.max((self.output.h + reach.h) * pitch).next_multiple_of(LANES)
    }

    /// Values of a channel of the copy, an odd number of vectors: otherwise the channels of a window would
    /// compete for a few cache sets.
    pub(super) fn channel(&self) -> usize {
        ((self.phases().pixels() * self.phase() / LANES) | 1) * LANES
    }

    pub(super) fn check_epilogue(&self, end: &Epilogue) {
        end.check(self.output.channels, self.output.len());
    }

    pub(super) fn check(&self, (x, room, y): (usize, usize, usize)) {
        let (input, output) = (self.input, self.output);
        assert!(self.window.dilation.pixels() > 0, "dilation");
        let windows = crate::count(&self.window, Size { h: input.h, w: input.w });
        assert_eq!((output.h, output.w), (windows.h, windows.w), "output");
        let vector = output.is_vector() || input.is_vector() && !self.arranged();
        assert!(!vector, "vectors are for matrices");
        assert!(input.channels.is_multiple_of(self.groups), "groups of inputs");
        assert!(output.channels.is_multiple_of(self.groups), "groups of outputs");
        assert!(!self.arranged() || output.pad >= self.reach().w, "too few zeros between rows");
        assert!(x == input.len() && y == output.len() && room >= self.room(), "sizes");
        let source = self.source_layout();
        let (end, len) = if self.arranged() {
            // A copy has room for the vectors of its last channel.
            let vectors = self.output.vectors() * LANES;
            (source.first + source.farthest() + vectors, self.channel() + LANES)
        } else {
            (self.end(source), x)
        };
        assert!(end <= len, "a window reaches out of bounds");
    }
}
