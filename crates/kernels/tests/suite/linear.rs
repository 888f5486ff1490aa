//! A linear layer: the 1x1 convolution of one pixel.

use kernels::conv::{self, Conv};
use kernels::{Lanes, Window};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, plain, written};
use crate::{check, reference, shapes};

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(n in shapes::batch(), inputs in 1..=600_usize, outputs in 1..=40_usize) {
        check_linear([n, inputs, outputs]);
    }

    #[test]
    fn a_vector_of_images_and_many_outputs(n in 1..=16_usize, inputs in 1..=300_usize, outputs in 360..=500_usize) {
        check_linear([n, inputs, outputs]);
    }
}

#[track_caller]
fn check_linear([n, inputs, outputs]: [usize; 3]) {
    let mut random = stream(n as u64, "test/linear", inputs as u64);
    let lanes = Lanes::of(n);
    let conv = Conv { lanes, inputs, h: 1, w: 1, outputs, window: Window::square(1, 1, 0) };
    let x = Array::normal([n, inputs, 1, 1], &mut random);
    let weight = Array::normal([outputs, inputs, 1, 1], &mut random);
    let bias = Array::normal([outputs, 1, 1, 1], &mut random).values;
    let y = Array::zeros([n, outputs, 1, 1]);
    let (blocks, weights, shifts) = (x.blocks(), weight.plain(), plain(&bias));
    let found = written(y.blocks_len(), |y| conv::forward(&conv, &blocks, &weights, &shifts, y));
    let expected = reference::conv::linear(&x, &weight, &bias);
    check::close(&y.read(&found), &expected, 2e-6);
}
