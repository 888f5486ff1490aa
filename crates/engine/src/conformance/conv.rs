//! Convolutions and linear layers, in all three directions.

use anyhow::Result;
use kernels::conv::Conv as Sizes;
use kernels::conv::grouped::Grouped;
use kernels::{Lanes, Window};

use super::place::Place;
use super::{Case, Kind};
use crate::Tensor;
use crate::ops::{
    BiasGrad, Conv, GroupedConv, GroupedInputGrad, GroupedWeightGrad, InputGrad, WeightGrad, apply,
};

/// Images, channels, height, width; outputs, kernel, stride, padding; groups.
const SHAPES: [([usize; 4], [usize; 4], usize); 13] = [
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
];

/// A convolution of the table.
#[derive(Clone, Copy)]
struct Shape {
    sizes: Sizes,
    groups: usize,
}

pub(super) fn cases() -> Vec<Case> {
    SHAPES.iter().flat_map(|shape| of(Shape::new(*shape))).collect()
}

impl Shape {
    fn new((x, v, groups): ([usize; 4], [usize; 4], usize)) -> Self {
        let ([n, c, h, w], [k, kernel, stride, padding]) = (x, v);
        let lanes = Lanes::of(n);
        let (inputs, outputs) = (c / groups, k / groups);
        let window = Window::square(kernel, stride, padding);
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
