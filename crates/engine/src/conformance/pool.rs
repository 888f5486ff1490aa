//! Max and average pooling.

use kernels::pool::{Average, Pooling};
use kernels::{Size, Window};

use super::{Case, Kind};
use crate::ops::{AveragePool, AveragePoolGrad, MaxPool, MaxPoolGrad, apply};

/// Images, channels, height, width; kernel, stride, padding.
const MAX: [([usize; 4], [usize; 3]); 5] = [
    ([3, 16, 6, 8], [2, 2, 0]),
    ([17, 7, 5, 7], [2, 2, 0]),
    ([2, 24, 9, 9], [3, 2, 1]),
    ([2, 8, 7, 6], [3, 1, 1]),
    ([5, 12, 4, 4], [4, 4, 0]),
];
/// Images, channels, height, width; windows a side.
const AVERAGE: [([usize; 4], usize); 4] =
    [([3, 16, 4, 4], 1), ([17, 7, 5, 3], 1), ([2, 24, 10, 13], 7), ([2, 8, 3, 4], 7)];

pub(super) fn cases() -> Vec<Case> {
    let max = MAX.iter().flat_map(|(sizes, window)| max(*sizes, *window));
    let average = AVERAGE.iter().flat_map(|(sizes, side)| average(*sizes, *side));
    max.chain(average).collect()
}

fn max([n, c, h, w]: [usize; 4], [kernel, stride, padding]: [usize; 3]) -> [Case; 2] {
    let window = Window::square(kernel, stride, padding);
    let pooling = Pooling { size: Size { h, w }, window, ceil: false };
    let out = [c, pooling.output().h, pooling.output().w];
    let name = format!("{n}x{c}x{h}x{w} kernel {kernel} stride {stride} padding {padding}");
    // Few different values: many windows have more than one maximum.
    let coarse = |v: Vec<f32>| v.into_iter().map(|v| (v * 2.0).round()).collect::<Vec<_>>();
    [
        Case::new(format!("max-pool {name}"), Kind::Moved, move |place| {
            let x = place.activation(&coarse(place.random("x", n * c * h * w)), [c, h, w])?;
            let y = place.activation_room(n, out)?;
            apply(&MaxPool { pooling, channels: c }, &y, &[&x])?;
            place.read(&y, n, out)
        }),
        Case::new(format!("max-pool-grad {name}"), Kind::Operation, move |place| {
            let x = place.activation(&coarse(place.random("x", n * c * h * w)), [c, h, w])?;
            let dy =
                place.activation(&place.random("dy", n * out.iter().product::<usize>()), out)?;
            let dx = place.activation_room(n, [c, h, w])?;
            apply(&MaxPoolGrad { pooling, channels: c }, &dx, &[&x, &dy])?;
            place.read(&dx, n, [c, h, w])
        }),
    ]
}

fn average([n, c, h, w]: [usize; 4], side: usize) -> [Case; 2] {
    let average = Average::Grid { input: Size { h, w }, output: Size::square(side) };
    let out = [c, side, side];
    let name = format!("{n}x{c}x{h}x{w} to {side}");
    [
        Case::new(format!("average {name}"), Kind::Operation, move |place| {
            let x = place.activation(&place.random("x", n * c * h * w), [c, h, w])?;
            let y = place.activation_room(n, out)?;
            apply(&AveragePool { average, channels: c }, &y, &[&x])?;
            place.read(&y, n, out)
        }),
        Case::new(format!("average-grad {name}"), Kind::Operation, move |place| {
            let dy = place.activation(&place.random("dy", n * c * side * side), out)?;
            let dx = place.activation_room(n, [c, h, w])?;
            apply(&AveragePoolGrad { average, channels: c }, &dx, &[&dy])?;
            place.read(&dx, n, [c, h, w])
        }),
    ]
}
