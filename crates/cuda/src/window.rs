//! Windows as the kernels have them.

use kernels::Window;

/// Windows along an axis, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub struct Axis {
    /// Taps of a window.
    pub kernel: i32,
    /// From a window to the next.
    pub stride: i32,
    /// From a tap to the next.
    pub dilation: i32,
    /// Zeros before the first pixel.
    pub before: i32,
    /// Zeros behind the last.
    pub after: i32,
}

impl Axis {
    /// Those of `window`, down and across.
    pub(crate) fn both(window: &Window) -> [Self; 2] {
        let Window { kernel, stride, dilation, padding } = window;
        let axis = |sizes: [usize; 5]| {
            let sizes = sizes.map(|v| i32::try_from(v).expect("sizes of a network"));
            let [kernel, stride, dilation, before, after] = sizes;
            Self { kernel, stride, dilation, before, after }
        };
        [
            axis([kernel.h, stride.h, dilation.h, padding.top, padding.bottom]),
            axis([kernel.w, stride.w, dilation.w, padding.left, padding.right]),
        ]
    }

    /// The same windows over pixels that have `more` of the zeros, before and behind them: what is
    /// left of these is the same on both sides.
    pub(crate) fn evened(self) -> (Self, [usize; 2]) {
        let least = self.before.min(self.after);
        let more = [self.before - least, self.after - least].map(|v| v as usize);
        (Self { before: least, after: least, ..self }, more)
    }
}
