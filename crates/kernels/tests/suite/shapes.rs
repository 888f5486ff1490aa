//! Random sizes.

use kernels::Lanes;
use kernels::conv::Conv;
use kernels::norm::Plane;
use kernels::pool::Pooling;
use proptest::prelude::*;

use crate::array::Array;

/// A batch: 1 to 40 images.
pub fn batch() -> impl Strategy<Value = usize> {
    1..=40_usize
}

/// Height or width: 1 to 19 pixels, often very few.
fn side() -> impl Strategy<Value = usize> {
    prop_oneof![1..=3_usize, 1..=19_usize]
}

/// Shape of an activation: 1 to 40 images and channels, 1 to 19 pixels a side.
pub fn activation() -> impl Strategy<Value = [usize; 4]> {
    (batch(), 1..=40_usize, side(), side()).prop_map(|(n, c, h, w)| [n, c, h, w])
}

/// Kernel, stride, padding, height and width of windows over a map that holds at least one.
fn windows(kernels: &'static [usize]) -> impl Strategy<Value = [usize; 5]> {
    let kernel = proptest::sample::select(kernels);
    (kernel, 1..=3_usize, 0..=8_usize, side(), side()).prop_map(|(k, s, p, h, w)| {
        let padding = p.min(k + 1);
        let least = k.saturating_sub(2 * padding);
        [k, s, padding, h.max(least), w.max(least)]
    })
}

/// Convolutions with up to `images` images and `channels` channels on each side, among them
/// kernels larger than the map and padding larger than the kernel.
pub fn conv(images: usize, channels: usize) -> impl Strategy<Value = Conv> {
    let sizes = (1..=images, 1..=channels, 1..=channels, windows(&[1, 3, 5, 7]));
    sizes.prop_map(|(n, inputs, outputs, [kernel, stride, padding, h, w])| Conv {
        lanes: Lanes::of(n),
        inputs,
        h,
        w,
        outputs,
        kernel,
        stride,
        padding,
    })
}

/// Poolings whose padding is at most half the kernel, so that no window is empty.
pub fn pooling() -> impl Strategy<Value = Pooling> {
    windows(&[1, 2, 3, 5]).prop_map(|[kernel, stride, padding, h, w]| {
        let padding = padding.min(kernel / 2);
        let least = kernel - 2 * padding;
        Pooling { h: h.max(least), w: w.max(least), kernel, stride, padding }
    })
}

/// Shapes of a convolution's input, weight and output.
pub fn of_conv(conv: &Conv) -> [[usize; 4]; 3] {
    let n = conv.lanes.images();
    [
        [n, conv.inputs, conv.h, conv.w],
        [conv.outputs, conv.inputs, conv.kernel, conv.kernel],
        [n, conv.outputs, conv.oh(), conv.ow()],
    ]
}

/// `x` as batch norm sees it.
pub fn plane(x: &Array) -> Plane {
    let [_, channels, h, w] = x.shape;
    Plane { lanes: x.lanes(), channels, pixels: h * w }
}
