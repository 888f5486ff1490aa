//! Max and average pooling.

use kernels::pool::{Average, Pooling};
use kernels::{Size, Window};

use super::conv::window;
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
/// Images, channels, height, width; the windows; whether they may hang over.
const UNUSUAL: [([usize; 4], Window, bool); 6] = [
    ([3, 16, 6, 8], window([[3, 2], [2, 1], [1, 1]], [1, 1, 1, 1]), true),
    ([17, 7, 5, 7], window([[2, 2], [2, 2], [1, 1]], [0, 0, 0, 0]), true),
    ([2, 24, 9, 8], window([[3, 3], [2, 3], [1, 1]], [1, 0, 0, 1]), true),
    ([2, 8, 9, 7], window([[1, 3], [1, 2], [1, 1]], [0, 1, 0, 1]), false),
    ([2, 16, 9, 9], window([[2, 3], [1, 1], [3, 2]], [1, 1, 0, 1]), false),
    ([2, 5, 7, 6], window([[3, 3], [3, 2], [2, 1]], [1, 1, 1, 1]), true),
];
/// Images, channels, height, width; windows down and across.
const AVERAGE: [([usize; 4], [usize; 2]); 6] = [
    ([3, 16, 4, 4], [1, 1]),
    ([17, 7, 5, 3], [1, 1]),
    ([2, 24, 10, 13], [7, 7]),
    ([2, 8, 3, 4], [7, 7]),
    ([2, 16, 9, 6], [2, 5]),
    ([3, 5, 4, 7], [3, 1]),
];

pub(super) fn cases() -> Vec<Case> {
    let square = MAX.into_iter().map(|([n, c, h, w], [kernel, stride, padding])| {
        let window = Window::square(kernel, stride, padding);
        ([n, c], Pooling { size: Size { h, w }, window, ceil: false })
    });
    let unusual = UNUSUAL.into_iter().map(|([n, c, h, w], window, ceil)| {
        ([n, c], Pooling { size: Size { h, w }, window, ceil })
    });
    let windows: Vec<_> = square.chain(unusual).collect();
    let max = windows.iter().flat_map(|(images, pooling)| max(*images, *pooling));
    let counted = windows.iter().flat_map(|(images, pooling)| {
        let of = |count_padding| Average::Windows { pooling: *pooling, count_padding };
        [of(true), of(false)].into_iter().flat_map(|of| average(*images, of))
    });
    let grids = AVERAGE.into_iter().flat_map(|([n, c, h, w], [rows, columns])| {
        let (input, output) = (Size { h, w }, Size { h: rows, w: columns });
        average([n, c], Average::Grid { input, output })
    });
    max.chain(counted).chain(grids).collect()
}

fn max([n, c]: [usize; 2], pooling: Pooling) -> [Case; 2] {
    let (Size { h, w }, output) = (pooling.size, pooling.output());
    let out = [c, output.h, output.w];
    let ceil = if pooling.ceil { " ceil" } else { "" };
    let name = format!("{n}x{c}x{h}x{w} {}{ceil}", pooling.window);
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

fn average([n, c]: [usize; 2], average: Average) -> [Case; 2] {
    let (Size { h, w }, output) = (average.input(), average.output());
    let out = [c, output.h, output.w];
    let of = match average {
        Average::Windows { pooling, count_padding } => {
            format!("{} ceil {} counted {count_padding}", pooling.window, pooling.ceil)
        }
        Average::Grid { output, .. } => format!("to {output}"),
    };
    let name = format!("{n}x{c}x{h}x{w} {of}");
    [
        Case::new(format!("average {name}"), Kind::Operation, move |place| {
            let x = place.activation(&place.random("x", n * c * h * w), [c, h, w])?;
            let y = place.activation_room(n, out)?;
            apply(&AveragePool { average, channels: c }, &y, &[&x])?;
            place.read(&y, n, out)
        }),
        Case::new(format!("average-grad {name}"), Kind::Operation, move |place| {
            let dy = place.random("dy", n * out.iter().product::<usize>());
            let dy = place.activation(&dy, out)?;
            let dx = place.activation_room(n, [c, h, w])?;
            apply(&AveragePoolGrad { average, channels: c }, &dx, &[&dy])?;
            place.read(&dx, n, [c, h, w])
        }),
    ]
}
