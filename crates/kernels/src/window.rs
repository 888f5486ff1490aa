//! Windows over maps, of convolutions and poolings.

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

    /// Rows and columns from the first tap to the last, both included.
    pub const fn span(&self) -> Size {
        Size {
            h: (self.kernel.h - 1) * self.dilation.h + 1,
            w: (self.kernel.w - 1) * self.dilation.w + 1,
        }
    }

    /// Windows down and across a map of `size` that lie wholly in the padded map.
    ///
    /// # Panics
    /// If the padded map holds none.
    pub fn count(&self, size: Size) -> Size {
        let (span, Sides { top, left, bottom, right }) = (self.span(), self.padding);
        let room = |size: usize, span: usize| {
            size.checked_sub(span).expect("the padded map holds a window")
        };
        Size {
            h: room(size.h + top + bottom, span.h) / self.stride.h + 1,
            w: room(size.w + left + right, span.w) / self.stride.w + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_a_side() {
        let size = Size { h: 10, w: 7 };
        assert_eq!(Window::square(3, 2, 1).count(size), Size { h: 5, w: 4 });
        let window = Window {
            kernel: Size { h: 1, w: 3 },
            stride: Size { h: 3, w: 1 },
            dilation: Size { h: 1, w: 2 },
            padding: Sides { top: 0, left: 1, bottom: 2, right: 0 },
        };
        assert_eq!(window.span(), Size { h: 1, w: 5 });
        assert_eq!(window.count(size), Size { h: 4, w: 4 });
    }
}
