//! Convolutions and linear layers, in all three directions.

use anyhow::Result;
use kernels::conv::Conv as Sizes;
use kernels::conv::grouped::Grouped;
use kernels::{Lanes, Sides, Size, Window};

use super::place::Place;
use super::{Case, Kind};
use crate::Tensor;
use crate::ops::{
    BiasGrad, Conv, GroupedConv, GroupedInputGrad, GroupedWeightGrad, InputGrad, WeightGrad, apply,
};

/// Images, channels, height, width; outputs, kernel, stride, padding; groups.
const SQUARE: [([usize; 4], [usize; 4], usize); 15] = [
    ([3, 16, 9, 7], [24, 3, 1, 1], 1),
    ([2, 16, 8, 8], [32, 3, 2, 1], 1),
    ([2, 64, 6, 6], [64, 3, 1, 1], 1),
    ([17, 16, 4, 4], [8, 1, 1, 0], 1),
    ([2, 16, 7, 7], [24, 1, 2, 0], 1),
    ([2, 8, 11, 9], [16, 5, 1, 2], 1),
    ([2, 8, 16, 16], [16, 7, 2, 3], 1),
    ([3, 5, 6, 7], [7, 3, 1, 1], 1),
    ([33, 48, 1, 1], [10, 1, 1, 0], 1),
    ([2, 16, 9, 8], [16, 3, 1, 1], 16),
    ([2, 24, 10, 10], [24, 5, 2, 2], 24),
    ([3, 7, 6, 5], [7, 3, 2, 1], 7),
    ([2, 16, 6, 6], [32, 3, 1, 1], 2),
    ([2, 8, 6, 5], [16, 3, 1, 1], 8),
    ([2, 16, 7, 7], [8, 1, 3, 0], 1),
];

/// Images, channels, height, width; outputs; what they read; groups.
const UNUSUAL: [([usize; 4], usize, Window, usize); 10] = [
    ([2, 16, 9, 7], 24, window([[1, 3], [1, 1], [1, 1]], [0, 1, 0, 1]), 1),
    ([3, 16, 10, 9], 8, window([[3, 1], [1, 2], [2, 1]], [1, 0, 2, 1]), 1),
    ([2, 5, 8, 7], 6, window([[2, 3], [2, 1], [1, 1]], [0, 0, 1, 2]), 1),
    ([2, 16, 9, 9], 32, window([[3, 3], [1, 1], [2, 2]], [2, 2, 2, 2]), 2),
    ([2, 16, 9, 8], 16, window([[3, 2], [1, 1], [1, 1]], [1, 0, 1, 1]), 4),
    ([2, 8, 4, 4], 8, window([[1, 1], [1, 1], [1, 1]], [1, 2, 1, 2]), 1),
    ([2, 16, 9, 12], 16, window([[3, 5], [2, 1], [1, 2]], [0, 2, 1, 3]), 16),
    ([3, 7, 6, 9], 7, window([[1, 7], [1, 1], [1, 1]], [0, 3, 0, 3]), 7),
    ([2, 24, 8, 7], 24, window([[2, 2], [3, 2], [3, 1]], [2, 1, 0, 0]), 24),
    ([2, 8, 6, 7], 24, window([[3, 3], [2, 2], [1, 1]], [0, 1, 1, 0]), 8),
];

/// A convolution of the table.
#[derive(Clone, Copy)]
struct Shape {
    sizes: Sizes,
    groups: usize,
}

pub(super) fn cases() -> Vec<Case> {
    let square = SQUARE.into_iter().map(|(x, [outputs, kernel, stride, padding], groups)| {
        Shape::new(x, outputs, Window::square(kernel, stride, padding), groups)
    });
    let unusual = UNUSUAL
        .into_iter()
        .map(|(x, outputs, window, groups)| Shape::new(x, outputs, window, groups));
    square.chain(unusual).flat_map(of).collect()
}

/// The window of these rows and columns of kernel, stride and dilation, padded at the top, the left, the
/// bottom and the right.
pub(super) const fn window(sizes: [[usize; 2]; 3], padding: [usize; 4]) -> Window {
    let ([kernel, stride, dilation], [top, left, bottom, right]) = (sizes, padding);
    Window {
        kernel: Size { h: kernel[0], w: kernel[1] },
        stride: Size { h: stride[0], w: stride[1] },
        dilation: Size { h: dilation[0], w: dilation[1] },
        padding: Sides { top, left, bottom, right },
    }
}

impl Shape {
    fn new([n, c, h, w]: [usize; 4], outputs: usize, window: Window, groups: usize) -> Self {
        let (lanes, inputs, outputs) = (Lanes::of(n), c / groups, outputs / groups);
        Self { sizes: Sizes { lanes, inputs, h, w, outputs, window }, groups }
    }

    fn grouped(self) -> Option<Grouped> {
        (self.groups > 1).then_some(Grouped { each: self.sizes, groups: self.groups })
    }

    fn input(self) -> [usize; 3] {
        [self.sizes.inputs * self.groups, self.sizes.h, self.sizes.w]
    }

    fn output(self) -> [usize; 3] {
        [self.sizes.outputs * self.groups, self.sizes.oh(), self.sizes.ow()]
    }

    fn images(self) -> usize {
        self.sizes.lanes.images()
    }

    /// Channels and pixels of the weight's rows, as they are turned round on a GPU.
    fn row(self) -> (usize, usize) {
        let taps = self.sizes.window.taps();
        let depthwise = self.groups > 1 && self.sizes.inputs == 1 && self.sizes.outputs == 1;
        if depthwise { (self.groups, taps) } else { (self.sizes.inputs, taps) }
    }

    fn weight(self, place: &Place) -> Result<Tensor> {
        let len = self.output()[0] * self.sizes.inputs * self.sizes.window.taps();
        // As large as initial weights are, so that outputs are around one.
        let size = 1.0 / ((self.sizes.inputs * self.sizes.window.taps()) as f32).sqrt();
        let values = place.random("weight", len).into_iter().map(|v| place.rounded(v * size));
        let (channels, pixels) = self.row();
        place.weight(values.collect(), channels, pixels)
    }

    fn activation(self, place: &Place, name: &str, size: [usize; 3]) -> Result<Tensor> {
        let len = self.images() * size.iter().product::<usize>();
        place.activation(&place.random(name, len), size)
    }

    fn name(self) -> String {
        let ([c, h, w], [k, ..], v) = (self.input(), self.output(), self.sizes);
        let n = self.images();
        let groups =
            if self.groups > 1 { format!(" groups {}", self.groups) } else { String::new() };
        format!("{n}x{c}x{h}x{w} to {k} {}{groups}", v.window)
    }
}

fn of(shape: Shape) -> [Case; 4] {
    let (sizes, grouped, name) = (shape.sizes, shape.grouped(), shape.name());
    let (input, output, n) = (shape.input(), shape.output(), shape.images());
    [
        Case::new(format!("conv {name}"), Kind::Operation, move |place| {
            let x = shape.activation(place, "x", input)?;
            let (weight, y) = (shape.weight(place)?, place.activation_room(n, output)?);
            let bias = place.plain(place.random("bias", output[0]))?;
            match grouped {
                Some(grouped) => apply(&GroupedConv(grouped), &y, &[&x, &weight, &bias])?,
                None => apply(&Conv(sizes), &y, &[&x, &weight, &bias])?,
            }
            place.read(&y, n, output)
        }),
        Case::new(format!("conv-input-grad {name}"), Kind::Operation, move |place| {
            let dy = shape.activation(place, "dy", output)?;
            let (weight, dx) = (shape.weight(place)?, place.activation_room(n, input)?);
            match grouped {
                Some(grouped) => apply(&GroupedInputGrad(grouped), &dx, &[&dy, &weight])?,
                None => apply(&InputGrad(sizes), &dx, &[&dy, &weight])?,
            }
            place.read(&dx, n, input)
        }),
        Case::new(format!("conv-weight-grad {name}"), Kind::Operation, move |place| {
            let dy = shape.activation(place, "dy", output)?;
            let (x, dw) = (shape.activation(place, "x", input)?, shape.weight(place)?);
            match grouped {
                Some(grouped) => apply(&GroupedWeightGrad(grouped), &dw, &[&dy, &x])?,
                None => apply(&WeightGrad(sizes), &dw, &[&dy, &x])?,
            }
            let (channels, pixels) = shape.row();
            place.read_weight(&dw, channels, pixels)
        }),
        Case::new(format!("conv-bias-grad {name}"), Kind::Operation, move |place| {
            let dy = shape.activation(place, "dy", output)?;
            let db = place.room(output[0])?;
            let whole = grouped.map_or(sizes, |g| g.full());
            apply(&BiasGrad(whole), &db, &[&dy])?;
            db.host()
        }),
    ]
}
