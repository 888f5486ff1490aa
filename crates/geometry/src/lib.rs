//! Sizes of maps, and of the windows of convolutions and poolings over them.
//!
//! Networks (`graph`) and kernels mean the same by these words, and neither is below the other.

use std::fmt;

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Down.
    pub h: usize,
    /// Across.
    pub w: usize,
}

impl Size {
    /// As many rows as columns.
    pub const fn square(side: usize) -> Self {
        Self { h: side, w: side }
    }

    /// Pixels.
    pub const fn pixels(self) -> usize {
        self.h * self.w
    }
}

/// `h` where both are equal, else `hxw`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.h == self.w { write!(f, "{}", self.h) } else { write!(f, "{}x{}", self.h, self.w) }
    }
}

/// Pixels beyond each side of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sides {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Sides {
    /// The same on all sides.
    pub const fn all(pixels: usize) -> Self {
        Self { top: pixels, left: pixels, bottom: pixels, right: pixels }
    }

    /// Rows above and below.
    pub const fn rows(self) -> usize {
        self.top.saturating_add(self.bottom)
    }

    /// Columns to the left and to the right.
    pub const fn columns(self) -> usize {
        self.left.saturating_add(self.right)
    }
}

/// One number where all are equal, `rows x columns` where opposite ones are, else
/// `top,left,bottom,right`.
impl fmt::Display for Sides {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { top, left, bottom, right } = *self;
        match (top == bottom && left == right, top == left) {
            (true, true) => write!(f, "{top}"),
            (true, false) => write!(f, "{top}x{left}"),
            (false, _) => write!(f, "{top},{left},{bottom},{right}"),
        }
    }
}

/// What each output of a convolution or pooling reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// Taps down and across.
    pub kernel: Size,
    /// Pixels between neighbouring windows.
    pub stride: Size,
    /// Pixels between neighbouring taps.
    pub dilation: Size,
    /// What is put around the map first.
    pub padding: Sides,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { kernel, stride, dilation, padding } = self;
        write!(f, "kernel {kernel}, stride {stride}, padding {padding}")?;
        if *dilation == Size::square(1) { Ok(()) } else { write!(f, ", dilation {dilation}") }
    }
}

impl Window {
    /// Square windows without dilation and with the same padding on all sides.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: Size::square(kernel),
            stride: Size::square(stride),
            dilation: Size::square(1),
            padding: Sides::all(padding),
        }
    }

    /// Taps of a window.
    pub const fn taps(&self) -> usize {
        self.kernel.pixels()
    }

    /// Rows and columns from the first tap to the last, both included; 0 without taps.
    pub fn span(&self) -> Size {
        let along = |kernel: usize, dilation: usize| {
            kernel.checked_sub(1).map_or(0, |gaps| gaps.saturating_mul(dilation).saturating_add(1))
        };
        Size { h: along(self.kernel.h, self.dilation.h), w: along(self.kernel.w, self.dilation.w) }
    }

    /// Windows down and across a map of `size`; None where the padded map holds none, or where a
    /// kernel, stride or dilation is 0.
    ///
    /// They lie wholly in the padded map, except that with `ceil` the last ones need only begin
    /// before its right or lower padding (`pooling_output_shape` of `PyTorch`).
    pub fn count(&self, size: Size, ceil: bool) -> Option<Size> {
        let (span, padding) = (self.span(), self.padding);
        let along = |size: usize, span: usize, stride: usize, before: usize, after: usize| {
            let padded = size.checked_add(before)?.checked_add(after)?;
            let room = padded.checked_sub(span).filter(|_| span > 0)?;
            let more = if ceil { stride.checked_sub(1)? } else { 0 };
            let count = room.checked_add(more)?.checked_div(stride)? + 1;
            let last = (count - 1).checked_mul(stride)?;
            Some(if ceil && last >= size + before { count - 1 } else { count })
        };
        if self.dilation.h == 0 || self.dilation.w == 0 {
            return None;
        }
        Some(Size {
            h: along(size.h, span.h, self.stride.h, padding.top, padding.bottom)?,
            w: along(size.w, span.w, self.stride.w, padding.left, padding.right)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Size = Size { h: 10, w: 7 };

    #[test]
    fn windows_are_counted_a_side() {
        let count = |window: Window| window.count(MAP, false);
        assert_eq!(count(Window::square(3, 2, 1)), Some(Size { h: 5, w: 4 }));
        let window = Window {
            kernel: Size { h: 1, w: 3 },
            stride: Size { h: 3, w: 1 },
            dilation: Size { h: 1, w: 2 },
            padding: Sides { top: 0, left: 1, bottom: 2, right: 0 },
        };
        assert_eq!(window.span(), Size { h: 1, w: 5 });
        assert_eq!(count(window), Some(Size { h: 4, w: 4 }));
        assert_eq!(count(Window::square(8, 1, 0)), None, "wider than the map");
        assert_eq!(count(Window::square(3, 0, 1)), None);
        assert_eq!(count(Window::square(0, 1, 1)), None);
        // Sizes beyond what can be counted fit nowhere.
        let far = Size::square(usize::MAX / 2 + 1);
        assert_eq!(count(Window { dilation: far, ..Window::square(3, 1, 0) }), None);
        let wide = Sides { top: usize::MAX, left: 0, bottom: 1, right: 0 };
        assert_eq!(count(Window { padding: wide, ..Window::square(1, 1, 0) }), None);
    }

    #[test]
    fn the_last_windows_may_hang_over() {
        let count = |kernel, stride, padding| {
            Window::square(kernel, stride, padding).count(MAP, true).expect("windows")
        };
        assert_eq!(count(3, 2, 0), Size { h: 5, w: 3 });
        // The one that would begin behind the map is left out.
        assert_eq!(count(2, 2, 1), Size { h: 6, w: 4 });
        assert_eq!(count(1, 3, 0), Size { h: 4, w: 3 });
    }

    #[test]
    fn equal_sizes_are_one_number() {
        assert_eq!(Size { h: 3, w: 1 }.to_string(), "3x1");
        assert_eq!(Sides::all(1).to_string(), "1");
        assert_eq!(Sides { top: 0, left: 3, bottom: 0, right: 3 }.to_string(), "0x3");
        assert_eq!(Sides { top: 0, left: 1, bottom: 2, right: 3 }.to_string(), "0,1,2,3");
        let window = Window { dilation: Size::square(2), ..Window::square(3, 1, 2) };
        assert_eq!(window.to_string(), "kernel 3, stride 1, padding 2, dilation 2");
    }
}
