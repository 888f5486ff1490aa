//! Convolution forward.

use kernels::Lanes;
use kernels::conv::{self, Conv};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, plain, written};
use crate::{check, reference, shapes};

#[track_caller]
fn forward(conv: &Conv, biased: bool, seed: u64) {
    let mut random = stream(seed, "test/conv", 0);
    let [input, weight, output] = shapes::of_conv(conv);
    let (x, weight) = (Array::normal(input, &mut random), Array::normal(weight, &mut random));
    let bias = Array::normal([if biased { conv.outputs } else { 0 }, 1, 1, 1], &mut random).values;
    let y = Array::zeros(output);
    let (blocks, weights, shifts) = (x.blocks(), weight.plain(), plain(&bias));
    let found = written(y.blocks_len(), |y| conv::forward(conv, &blocks, &weights, &shifts, y));
    let expected = reference::conv::forward(conv, &x, &weight, &bias);
    check::close(&y.read(&found), &expected.values, 2e-6);
}

/// A convolution of a 3x3 kernel with padding 1 over 9x9 pixels.
fn three(images: usize, inputs: usize, outputs: usize) -> Conv {
    let lanes = Lanes::of(images);
    Conv { lanes, inputs, h: 9, w: 9, outputs, kernel: 3, stride: 1, padding: 1 }
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(conv in shapes::conv(40, 40), biased: bool, seed: u64) {
        forward(&conv, biased, seed);
    }
}

#[test]
fn channels_in_several_chunks() {
    forward(&three(17, 100, 3), true, 1);
}

#[test]
fn one_weight_one_pixel() {
    let one = Conv { h: 1, w: 1, kernel: 1, padding: 0, ..three(1, 1, 1) };
    forward(&one, true, 2);
}

#[test]
fn kernel_larger_than_the_map() {
    forward(&Conv { h: 1, w: 2, kernel: 7, padding: 3, ..three(3, 2, 2) }, true, 4);
}

#[test]
fn rows_wider_than_a_tile() {
    forward(&Conv { h: 5, w: 70, stride: 2, ..three(3, 2, 2) }, false, 3);
}
