//! Poolings.

use geometry::{Sides, Size, Window};
use graph::op::{AdaptiveAverage, AveragePool, MaxPool};
use graph::{Op, Shape};

use super::constant::Found;
use super::draft::Step;
use super::view::View;
use super::walk::{Call, Walk};
use super::windows::window;

/// One window over all of a map.
pub fn over_all(shape: Shape) -> Window {
    Window { kernel: shape.size(), ..Window::square(1, 1, 0) }
}

impl Walk<'_> {
    /// The window of a pooling, and whether the last ones may hang over.
    fn pool(&self, call: &Call, node: usize) -> Found<(Window, bool)> {
        let kernel = call.with.ints("kernel_shape").unwrap_or_default();
        if kernel.len() != 2 {
            return Err(format!("kernel_shape {kernel:?}; expected height and width"));
        }
        let kernel = call.with.sizes("kernel_shape", &[0; 2])?;
        let kernel = Size { h: kernel[0], w: kernel[1] };
        let found = window(call.with, kernel, self.shape(node).size())?;
        Ok((found, call.with.int("ceil_mode") == Some(1)))
    }

    pub fn max_pool(&mut self, call: &Call) -> Found<View> {
        let node = self.map(call.data(0)?)?;
        let (mut window, ceil) = self.pool(call, node)?;
        let mut source = node;
        if let (Step::Below(sides), false) = (&self.drafts[node].step, ceil) {
            let Sides { top, left, bottom, right } = window.padding;
            window.padding = Sides {
                top: top + sides.top,
                left: left + sides.left,
                bottom: bottom + sides.bottom,
                right: right + sides.right,
            };
            source = self.drafts[node].inputs[0];
        }
        let node = self.push(call.site, Op::MaxPool(MaxPool { window, ceil }), &[source])?;
        Ok(View::map(node, self.shape(node), call.site))
    }

    pub fn average_pool(&mut self, call: &Call) -> Found<View> {
        let node = self.map(call.data(0)?)?;
        let (window, ceil) = self.pool(call, node)?;
        let padded = window.padding != Sides::all(0);
        let counted = call.with.int("count_include_pad");
        // Without padding it says nothing, and operators that leave it out mean nothing by it.
        let count_padding = counted.map_or(!padded, |n| n == 1);
        let shape = self.shape(node);
        let global = window.kernel == shape.size() && !padded && window.dilation == Size::square(1);
        let op = if global {
            Op::AdaptiveAverage(AdaptiveAverage::GLOBAL)
        } else {
            Op::AveragePool(AveragePool { window, ceil, count_padding })
        };
        let node = self.push(call.site, op, &[node])?;
        Ok(View::map(node, self.shape(node), call.site))
    }

    /// The mean or maximum over all pixels.
    pub fn global(&mut self, of: &str, call: &Call) -> Found<View> {
        let node = self.map(call.data(0)?)?;
        let node = self.over_pixels(call.site, node, of == "max")?;
        Ok(View::map(node, self.shape(node), call.site))
    }

    /// The draft of the mean or maximum over all pixels of `node`.
    pub fn over_pixels(&mut self, site: usize, node: usize, max: bool) -> Found<usize> {
        let window = over_all(self.shape(node));
        let op = if max {
            Op::MaxPool(MaxPool { window, ceil: false })
        } else {
            Op::AdaptiveAverage(AdaptiveAverage::GLOBAL)
        };
        self.push(site, op, &[node])
    }
}
