//! The shape of one image's activation.

use std::fmt;

use geometry::Size;

/// Channels, height, width of one image; a vector has height and width 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub c: usize,
    /// Height in pixels.
    pub h: usize,
    /// Width in pixels.
    pub w: usize,
}

impl Shape {
    /// A shape of `c` channels of `h` x `w` pixels.
    pub const fn new(c: usize, h: usize, w: usize) -> Self {
        Self { c, h, w }
    }

    /// A value a channel.
    pub const fn vector(c: usize) -> Self {
        Self { c, h: 1, w: 1 }
    }

    /// Values of one image.
    pub const fn count(&self) -> usize {
        self.c * self.h * self.w
    }

    /// Pixels of one channel.
    pub const fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// Rows and columns.
    pub const fn size(&self) -> Size {
        Size { h: self.h, w: self.w }
    }

    /// Whether it is a value a channel.
    pub const fn is_vector(&self) -> bool {
        self.pixels() == 1
    }
}

/// Square RGB images of this side.
impl From<usize> for Shape {
    fn from(side: usize) -> Self {
        Self::new(3, side, side)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}x{}", self.c, self.h, self.w)
    }
}
