//! Poolings.

use geometry::{Size, Window};

use super::conv::{window, write};
use super::{Channels, Facts};
use crate::Shape;
use crate::text::{Fields, Written};

/// A max pooling. Padding may be up to half the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// What an output reads.
    pub window: Window,
    /// Whether the last windows may hang over the padded map.
    pub ceil: bool,
}

/// An average pooling. Padding may be up to half the kernel; there is no dilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AveragePool {
    /// What an output reads.
    pub window: Window,
    /// Whether the last windows may hang over the padded map.
    pub ceil: bool,
    /// Whether padded pixels count, as zeros.
    pub count_padding: bool,
}

impl MaxPool {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self { window: window(fields)?, ceil: fields.or("ceil", false)? })
    }
}

impl AveragePool {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, String> {
        Ok(Self {
            window: window(fields)?,
            ceil: fields.or("ceil", false)?,
            count_padding: fields.or("count-padding", true)?,
        })
    }
}

fn shape(x: Shape, window: &Window, ceil: bool) -> Result<Shape, String> {
    let (Size { h, w }, padding) = (window.kernel, window.padding);
    let over = |sides: [usize; 2], kernel: usize| sides.iter().any(|side| *side > kernel / 2);
    if over([padding.top, padding.bottom], h) || over([padding.left, padding.right], w) {
        return Err(format!("padding {padding} over half the kernel {}", window.kernel));
    }
    // Taps farther apart than the map is wide could all lie in the padding.
    let far = |dilation: usize, size: usize, around: usize| around > 0 && dilation > size;
    if far(window.dilation.h, x.h, padding.rows()) || far(window.dilation.w, x.w, padding.columns())
    {
        return Err(format!("{window}: a window over {x} may hold padding alone"));
    }
    let size = window.count(x.size(), ceil);
    let size = size.ok_or_else(|| format!("{window} do not fit {x}"))?;
    Ok(Shape::new(x.c, size.h, size.w))
}

impl Facts for MaxPool {
    fn label(&self) -> &'static str {
        "MaxPool2d"
    }

    fn keyword(&self) -> &'static str {
        "max-pool"
    }

    fn fields(&self) -> Written {
        write(Written::default(), &self.window).unless("ceil", self.ceil, false)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        shape(inputs[0], &self.window, self.ceil)
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

impl Facts for AveragePool {
    fn label(&self) -> &'static str {
        "AvgPool2d"
    }

    fn keyword(&self) -> &'static str {
        "average-pool"
    }

    fn fields(&self) -> Written {
        write(Written::default(), &self.window).unless("ceil", self.ceil, false).unless(
            "count-padding",
            self.count_padding,
            true,
        )
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.window.dilation != Size::square(1) {
            return Err(format!("dilation {}; an average pooling has none", self.window.dilation));
        }
        shape(inputs[0], &self.window, self.ceil)
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}

/// Means over a grid of windows that cover each channel; of 1 by 1 it is the mean over all its
/// pixels: a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptiveAverage {
    /// Windows down and across.
    pub grid: Size,
}

impl AdaptiveAverage {
    /// The mean over all pixels.
    pub const GLOBAL: Self = Self { grid: Size::square(1) };
}

impl Facts for AdaptiveAverage {
    fn label(&self) -> &'static str {
        "AdaptiveAvgPool2d"
    }

    fn keyword(&self) -> &'static str {
        "adaptive-average"
    }

    fn fields(&self) -> Written {
        Written::default().unless("grid", self.grid, Size::square(1))
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.grid.pixels() == 0 {
            return Err("an average over no windows".into());
        }
        Ok(Shape::new(inputs[0].c, self.grid.h, self.grid.w))
    }

    fn channels(&self) -> Channels {
        Channels::Own
    }
}
