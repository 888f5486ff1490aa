//! Random sizes.

use kernels::conv::Conv;
use kernels::norm::Plane;
use kernels::pool::Pooling;
use kernels::{Lanes, Sides, Size, Window};
use proptest::prelude::*;

use crate::array::Array;

/// A batch: 1 to 40 images.
pub fn batch() -> impl Strategy<Value = usize> {
    1..=40_usize
}

/// Height or width: 1 to `most` pixels, often very few.
fn side(most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![1..=3_usize, 1..=most]
}

/// Shape of an activation: 1 to 40 images and channels, 1 to 19 pixels a side.
pub fn activation() -> impl Strategy<Value = [usize; 4]> {
    (batch(), 1..=40_usize, side(19), side(19)).prop_map(|(n, c, h, w)| [n, c, h, w])
}

/// Kernel, stride, padding, height and width of windows over a map that holds at least one, of up
/// to `most` pixels a side.
fn windows(kernels: &'static [usize], most: usize) -> impl Strategy<Value = [usize; 5]> {
    let kernel = proptest::sample::select(kernels);
    (kernel, 1..=3_usize, 0..=8_usize, side(most), side(most)).prop_map(|(k, s, p, h, w)| {
        let padding = p.min(k + 1);
        let least = k.saturating_sub(2 * padding);
        [k, s, padding, h.max(least), w.max(least)]
    })
}

/// Windows over a map that holds at least one.
#[derive(Debug, Clone, Copy)]
struct Over {
    window: Window,
    size: Size,
}

/// As [`windows`], or with each axis and side by itself.
fn over(most: usize) -> impl Strategy<Value = Over> {
    let usual = windows(&KERNELS, most).prop_map(|[kernel, stride, padding, h, w]| Over {
        window: Window::square(kernel, stride, padding),
        size: Size { h, w },
    });
    let pair = |most| (1..=most, 1..=most).prop_map(|(h, w)| Size { h, w });
    let size = (side(most), side(most)).prop_map(|(h, w)| Size { h, w });
    let sides = (0..=4_usize, 0..=4_usize, 0..=4_usize, 0..=4_usize);
    let any = (pair(7_usize), pair(4), pair(3), sides, size).prop_map(
        |(kernel, stride, dilation, (top, left, bottom, right), size)| {
            let padding = Sides { top, left, bottom, right };
            let window = Window { kernel, stride, dilation, padding };
            let span = window.span();
            let h = size.h.max(span.h.saturating_sub(top + bottom));
            let w = size.w.max(span.w.saturating_sub(left + right));
            Over { window, size: Size { h, w } }
        },
    );
    prop_oneof![usual, any]
}

/// Convolutions with up to `images` images and `channels` channels on each side, among them
/// kernels larger than the map and padding larger than the kernel.
pub fn conv(images: usize, channels: usize) -> impl Strategy<Value = Conv> {
    let sizes = (1..=images, 1..=channels, 1..=channels, over(19));
    sizes.prop_map(|(n, inputs, outputs, over)| of([n, inputs, outputs], over))
}

/// Kernels of convolutions.
const KERNELS: [usize; 4] = [1, 3, 5, 7];
/// Multiply-adds of a case, so that the f64 version takes some hundredths of a second.
const WORK: usize = 20_000_000;

fn of([images, inputs, outputs]: [usize; 3], over: Over) -> Conv {
    let Over { window, size: Size { h, w } } = over;
    Conv { lanes: Lanes::of(images), inputs, h, w, outputs, window }
}

/// As [`conv`], with up to 70 images, 270 channels on each side and 33 pixels a side.
pub fn large_conv() -> impl Strategy<Value = Conv> {
    let channels = || prop_oneof![2 => 1..=16_usize, 4 => 1..=130_usize, 1 => 185..=270_usize];
    let sizes = (1..=70_usize, channels(), channels(), over(33), 0..3_usize);
    sizes.prop_map(|(n, inputs, outputs, over, keep)| {
        of(bounded([n, inputs, outputs], keep, 1, over), over)
    })
}

/// Convolutions of a 3x3 kernel and stride 1 with 8 to 130 channels on each side, most of them of
/// maps that are large enough for Winograd's algorithm.
pub fn tiled_conv() -> impl Strategy<Value = Conv> {
    let sizes = (1..=70_usize, 8..=130_usize, 8..=130_usize);
    let sides = (0..=2_usize, 0..=2_usize, 0..=2_usize, 0..=2_usize);
    (sizes, sides, 4..=33_usize, 4..=33_usize, 0..3_usize).prop_map(
        |((n, inputs, outputs), (top, left, bottom, right), h, w, keep)| {
            let padding = Sides { top, left, bottom, right };
            let window = Window { padding, ..Window::square(3, 1, 0) };
            let over = Over { window, size: Size { h, w } };
            of(bounded([n, inputs, outputs], keep, 8, over), over)
        },
    )
}

/// Images, inputs and outputs, all but number `keep` halved until the work is bounded or there are
/// one image and `least` channels.
fn bounded(sizes: [usize; 3], keep: usize, least: usize, over: Over) -> [usize; 3] {
    let least = [1, least, least];
    let windows = over.window.count(over.size, false).expect("it fits");
    let terms = over.window.kernel.pixels() * windows.pixels();
    let mut all = sizes;
    while all.iter().product::<usize>() * terms > WORK {
        let fewer = |k: usize| if k == keep { all[k] } else { (all[k] / 2).max(least[k]) };
        let next = std::array::from_fn(fewer);
        if next == all {
            break;
        }
        all = next;
    }
    all
}

/// Poolings of any kind, with padding up to the kernel on each side.
pub fn pooling() -> impl Strategy<Value = Pooling> {
    (axis(), axis(), any::<bool>()).prop_map(|(down, across, ceil)| {
        let window = Window {
            kernel: Size { h: down.kernel, w: across.kernel },
            stride: Size { h: down.stride, w: across.stride },
            dilation: Size { h: down.dilation, w: across.dilation },
            padding: Sides {
                top: down.padding[0],
                left: across.padding[0],
                bottom: down.padding[1],
                right: across.padding[1],
            },
        };
        Pooling { size: Size { h: down.size, w: across.size }, window, ceil }
    })
}

/// Windows along one axis.
#[derive(Debug)]
struct Axis {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: [usize; 2],
    size: usize,
}

/// A kernel, up to as much padding, and an axis that then holds a window.
fn axis() -> impl Strategy<Value = Axis> {
    let sizes = (1..=5_usize, 1..=4_usize, 1..=2_usize, side(19));
    (sizes, [0..=5_usize, 0..=5_usize]).prop_map(|((kernel, stride, dilation, size), padding)| {
        let padding = padding.map(|padding| padding.min(kernel));
        let least = ((kernel - 1) * dilation + 1).saturating_sub(padding[0] + padding[1]);
        Axis { kernel, stride, dilation, padding, size: size.max(least) }
    })
}

/// Shapes of a convolution's input, weight and output.
pub fn of_conv(conv: &Conv) -> [[usize; 4]; 3] {
    let n = conv.lanes.images();
    [
        [n, conv.inputs, conv.h, conv.w],
        [conv.outputs, conv.inputs, conv.window.kernel.h, conv.window.kernel.w],
        [n, conv.outputs, conv.oh(), conv.ow()],
    ]
}

/// `x` as batch norm sees it.
pub fn plane(x: &Array) -> Plane {
    let [_, channels, h, w] = x.shape;
    Plane { lanes: x.lanes(), channels, pixels: h * w }
}
