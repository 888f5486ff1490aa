//! Depthwise convolution is the full one whose weight is zero off the diagonal.

use kernels::conv::Conv;
use kernels::conv::depthwise::{self, Depthwise};
use kernels::{Lanes, Window};
use proptest::prelude::*;

use crate::array::written;
use crate::case::Case;
use crate::check::{self, same_on_any_threads};
use crate::ending::{Ending, ending};
use crate::shapes;

/// Any windows over up to 20 channels.
fn depthwise() -> impl Strategy<Value = Depthwise> {
    (shapes::conv(40, 1), 1..=20_usize).prop_map(|(conv, channels)| {
        let Conv { lanes, h, w, window, .. } = conv;
        // The f64 version computes all pairs of channels: keep its work bounded.
        let images = lanes.images().min(1 + 200_000 / (channels * channels * h * w));
        Depthwise { lanes: Lanes::of(images), channels, h, w, window }
    })
}

fn full(d: &Depthwise) -> Conv {
    let Depthwise { lanes, channels, h, w, window } = *d;
    Conv { lanes, inputs: channels, h, w, outputs: channels, window }
}

/// Where weight `i` of the depthwise tensor stands in the full one.
fn diagonal(d: &Depthwise, i: usize) -> usize {
    let taps = d.window.kernel.pixels();
    i / taps * (d.channels + 1) * taps + i % taps
}

#[track_caller]
fn check(d: &Depthwise, seed: u64, end: Ending) {
    let mut kept = vec![false; full(d).weight_len()];
    (0..d.weight_len()).for_each(|i| kept[diagonal(d, i)] = true);
    let case = Case::new(full(d), seed).keep(kept).ending(end);
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
    fn any_shape(d in depthwise(), seed: u64, end in ending()) {
        check(&d, seed, end);
    }
}

#[test]
fn more_channels_than_a_task_takes() {
    let lanes = Lanes::of(3);
    let d = Depthwise { lanes, channels: 19, h: 9, w: 9, window: Window::square(3, 1, 1) };
    check(&d, 1, Ending { add: false, ..Ending::FULL });
}

#[test]
fn threads_do_not_matter() {
    let lanes = Lanes::of(40);
    let d = Depthwise { lanes, channels: 20, h: 20, w: 20, window: Window::square(5, 2, 2) };
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
    let d = Depthwise { lanes, channels: 2, h: 4, w: 4, window: Window::square(3, 1, 1) };
    let (x, mut y) = (vec![0.0; d.input_len()], vec![0.0; d.output_len()]);
    depthwise::forward(&d, &x, &[0.0; 17], &kernels::conv::Epilogue::default(), &mut y);
}
