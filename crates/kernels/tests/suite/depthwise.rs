//! Depthwise convolution is the full one whose weight is zero off the diagonal.

use kernels::Lanes;
use kernels::conv::Conv;
use kernels::conv::depthwise::{self, Depthwise};
use proptest::prelude::*;

use crate::array::written;
use crate::case::Case;
use crate::check::{self, same_on_any_threads};

/// A 3x3 or 5x5 kernel of stride 1 or 2 and any padding up to its size.
fn depthwise() -> impl Strategy<Value = Depthwise> {
    let windows = (prop_oneof![Just(3_usize), Just(5)], 1..=2_usize, 0..=3_usize);
    let sizes = (1..=40_usize, 1..=20_usize, 1..=33_usize, 1..=33_usize);
    (sizes, windows).prop_map(|((images, channels, h, w), (kernel, stride, padding))| {
        let least = kernel.saturating_sub(2 * padding);
        let (h, w) = (h.max(least), w.max(least));
        // The f64 version computes all pairs of channels: keep its work bounded.
        let images = images.min(1 + 200_000 / (channels * channels * h * w));
        Depthwise { lanes: Lanes::of(images), channels, h, w, kernel, stride, padding }
    })
}

fn full(d: &Depthwise) -> Conv {
    Conv {
        lanes: d.lanes,
        inputs: d.channels,
        h: d.h,
        w: d.w,
        outputs: d.channels,
        kernel: d.kernel,
        stride: d.stride,
        padding: d.padding,
    }
}

/// Where weight `i` of the depthwise tensor stands in the full one.
fn diagonal(d: &Depthwise, i: usize) -> usize {
    let taps = d.kernel * d.kernel;
    i / taps * (d.channels + 1) * taps + i % taps
}

#[track_caller]
fn check(d: &Depthwise, seed: u64, ends: [bool; 3]) {
    let mut kept = vec![false; full(d).weight_len()];
    (0..d.weight_len()).for_each(|i| kept[diagonal(d, i)] = true);
    let case = Case::new(full(d), seed).keep(kept).ending(ends);
    let all = case.weight.plain();
    let weight: Vec<f32> = (0..d.weight_len()).map(|i| all[diagonal(d, i)]).collect();
    case.forward(|x, end, y| depthwise::forward(d, x, &weight, end, y));
    case.input_grad(|dy, dx| depthwise::input_grad(d, dy, &weight, dx));
    case.weight_grad(|dy, x, dw| {
        let found = written(d.weight_len(), |dw| depthwise::weight_grad(d, dy, x, dw));
        dw.fill(0.0);
        found.iter().enumerate().for_each(|(i, v)| dw[diagonal(d, i)] = *v);
    });
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(d in depthwise(), seed: u64, ends: [bool; 3]) {
        check(&d, seed, ends);
    }
}

#[test]
fn more_channels_than_a_task_takes() {
    let lanes = Lanes::of(3);
    let d = Depthwise { lanes, channels: 19, h: 9, w: 9, kernel: 3, stride: 1, padding: 1 };
    check(&d, 1, [true, false, true]);
}

#[test]
fn threads_do_not_matter() {
    let lanes = Lanes::of(40);
    let d = Depthwise { lanes, channels: 20, h: 20, w: 20, kernel: 5, stride: 2, padding: 2 };
    let case = Case::new(full(&d), 2);
    let (x, dy) = (case.x.blocks(), case.dy.blocks());
    let weight = &case.weight.plain()[..d.weight_len()];
    let end = kernels::conv::Epilogue::default();
    same_on_any_threads(|| written(dy.len(), |y| depthwise::forward(&d, &x, weight, &end, y)));
    same_on_any_threads(|| written(x.len(), |dx| depthwise::input_grad(&d, &dy, weight, dx)));
    same_on_any_threads(|| written(weight.len(), |dw| depthwise::weight_grad(&d, &dy, &x, dw)));
}

#[test]
#[should_panic(expected = "weight")]
fn another_number_of_weights_is_refused() {
    let lanes = Lanes::of(1);
    let d = Depthwise { lanes, channels: 2, h: 4, w: 4, kernel: 3, stride: 1, padding: 1 };
    let (x, mut y) = (vec![0.0; d.input_len()], vec![0.0; d.output_len()]);
    depthwise::forward(&d, &x, &[0.0; 17], &kernels::conv::Epilogue::default(), &mut y);
}
