//! Pooling: maxima and averages of windows.

mod average;
mod max;
mod taps;

pub(crate) use average::divisor;
pub use average::{Average, average, average_backward};
pub(crate) use max::larger;
pub use max::{MaxSaved, max, max_backward};
pub(crate) use taps::{Taps, Windows};

use crate::{LANES, Size, Window};

/// Sizes of a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pooling {
    /// Of the input.
    pub size: Size,
    /// The windows; the padding is left out of maxima, and of averages unless it is counted.
    pub window: Window,
    /// Whether windows that reach beyond the padded input are computed too.
    pub ceil: bool,
}

impl Pooling {
    /// Size of the output, which is `PyTorch`'s: in ceil mode the last window still begins within
    /// the input or the padding before it.
    ///
    /// # Panics
    /// If the padded input holds no window.
    pub fn output(&self) -> Size {
        let output = self.window.count(self.size, self.ceil);
        output.expect("the padded input holds a window")
    }

    /// Which pixels each window reads; with padding counted or not.
    pub(crate) fn windows(&self, count_padding: bool) -> Windows {
        let Self { size, window, .. } = *self;
        let (output, padding) = (self.output(), window.padding);
        let down = taps::Axis {
            size: size.h,
            kernel: window.kernel.h,
            stride: window.stride.h,
            dilation: window.dilation.h,
            padding: [padding.top, padding.bottom],
            count_padding,
        };
        let across = taps::Axis {
            size: size.w,
            kernel: window.kernel.w,
            stride: window.stride.w,
            dilation: window.dilation.w,
            padding: [padding.left, padding.right],
            count_padding,
        };
        Windows {
            width: size.w,
            rows: (0..output.h).map(|o| down.taps(o)).collect(),
            columns: (0..output.w).map(|o| across.taps(o)).collect(),
        }
    }
}

/// Values of a (block, channel) before and after a pooling.
struct Planes {
    input: usize,
    output: usize,
}

impl Planes {
    /// Those of maps of the sizes `input` and `output`, of which the slices hold as many.
    fn new(input: Size, output: Size, lengths: [usize; 2]) -> Self {
        let (input, output) = (input.pixels() * LANES, output.pixels() * LANES);
        let [x, y] = lengths;
        assert!(x.is_multiple_of(input) && x / input * output == y, "planes");
        Self { input, output }
    }
}
