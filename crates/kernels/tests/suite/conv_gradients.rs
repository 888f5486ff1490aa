//! Gradients of convolution's input, weight and bias.

use kernels::conv::{self, Conv};
use kernels::{Lanes, Window};
use proptest::prelude::*;

use crate::array::{Array, wide, written};
use crate::case::Case;
use crate::{check, reference, shapes};

impl Case {
    /// `<dy, conv(x, weight) + bias>`.
    fn value(&self, x: &Array, weight: &Array, bias: &[f64]) -> f64 {
        let y = reference::conv::forward(&self.conv, x, weight, bias);
        check::dot(&self.dy.values, &y.values)
    }

    #[track_caller]
    fn input_slope(&self) {
        let (dy, weight) = (self.dy.blocks(), self.weight.plain());
        let len = self.conv.input_len();
        let dx = written(len, |dx| conv::input_grad(&self.conv, &dy, &weight, dx));
        let value = |x: &[f64]| self.value(&self.x.with(x), &self.weight, &self.bias);
        check::gradient(value, &self.x.values, &self.x.read(&dx));
    }

    #[track_caller]
    fn weight_slope(&self) {
        let (dy, x) = (self.dy.blocks(), self.x.blocks());
        let len = self.conv.weight_len();
        let dw = written(len, |dw| conv::weight_grad(&self.conv, &dy, &x, dw));
        let value = |w: &[f64]| self.value(&self.x, &self.weight.with(w), &self.bias);
        check::gradient(value, &self.weight.values, &wide(&dw));
    }

    #[track_caller]
    fn bias_slope(&self) {
        let (dy, len) = (self.dy.blocks(), self.conv.outputs);
        let db = written(len, |db| conv::bias_grad(&self.conv, &dy, db));
        let value = |b: &[f64]| self.value(&self.x, &self.weight, b);
        check::gradient(value, &self.bias, &wide(&db));
    }
}

/// A convolution of a 3x3 kernel with padding 1 over 5x5 pixels.
fn three(images: usize, inputs: usize, outputs: usize) -> Conv {
    let lanes = Lanes::of(images);
    Conv { lanes, inputs, h: 5, w: 5, outputs, window: Window::square(3, 1, 1) }
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn input(conv in shapes::conv(20, 12), seed: u64) {
        Case::new(conv, seed).input_slope();
    }

    #[test]
    fn weight(conv in shapes::conv(40, 9), seed: u64) {
        Case::new(conv, seed).weight_slope();
    }

    #[test]
    fn bias(conv in shapes::conv(40, 9), seed: u64) {
        Case::new(conv, seed).bias_slope();
    }
}

#[test]
fn kernel_larger_than_the_map() {
    let case = Case::new(Conv { h: 1, w: 2, window: Window::square(7, 1, 3), ..three(3, 2, 2) }, 4);
    case.input_slope();
    case.weight_slope();
}

#[test]
fn input_channels_in_several_chunks() {
    Case::new(three(3, 70, 2), 1).input_slope();
}

#[test]
fn weight_of_many_channels() {
    Case::new(three(18, 70, 2), 2).weight_slope();
}

#[test]
fn weight_of_more_blocks_than_parts() {
    Case::new(three(150, 2, 3), 3).weight_slope();
}
