//! Dense convolution forward and backward, by whichever algorithm the shape goes to.

use kernels::conv::{self, Conv, Dense};
use kernels::{Lanes, Window};
use proptest::prelude::*;

use crate::case::Case;
use crate::ending::{Ending, ending};
use crate::{check, shapes};

/// With the weight arranged for a batch of another size.
fn forward(case: &Case, images: usize) {
    let of = Conv { lanes: Lanes::of(images), ..case.conv };
    let dense = Dense::new(&of, &case.weight.plain());
    case.forward(|x, end, y| dense.forward(&case.conv, x, end, y));
}

fn backward(case: &Case) {
    let weight = case.weight.plain();
    case.input_grad(|dy, dx| conv::input_grad(&case.conv, dy, &weight, dx));
    case.weight_grad(|dy, x, dw| conv::weight_grad(&case.conv, dy, x, dw));
}

fn both(conv: Conv) {
    let case = Case::new(conv, 1);
    let weight = case.weight.plain();
    case.forward(|x, end, y| conv::forward(&conv, x, &weight, end.bias, y));
    backward(&case);
}

/// A convolution of a 3x3 kernel with padding 1 over 9x9 pixels.
fn three(images: usize, inputs: usize, outputs: usize) -> Conv {
    let lanes = Lanes::of(images);
    Conv { lanes, inputs, h: 9, w: 9, outputs, window: Window::square(3, 1, 1) }
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(conv in shapes::large_conv(), images in shapes::batch(), end in ending(), seed: u64) {
        forward(&Case::new(conv, seed).ending(end), images);
    }

    #[test]
    fn gradients_of_any_shape(conv in shapes::large_conv(), seed: u64) {
        backward(&Case::new(conv, seed));
    }

    #[test]
    fn any_tiles(conv in shapes::tiled_conv(), images in shapes::batch(), end in ending(), seed: u64) {
        forward(&Case::new(conv, seed).ending(end), images);
    }

    #[test]
    fn gradients_of_any_tiles(conv in shapes::tiled_conv(), seed: u64) {
        backward(&Case::new(conv, seed));
    }
}

#[test]
fn channels_in_several_chunks() {
    both(three(17, 100, 3));
}

#[test]
fn one_weight_one_pixel() {
    both(Conv { h: 1, w: 1, window: Window::square(1, 1, 0), ..three(1, 1, 1) });
}

#[test]
fn kernel_larger_than_the_map() {
    both(Conv { h: 1, w: 2, window: Window::square(7, 1, 3), ..three(3, 2, 2) });
}

#[test]
fn rows_wider_than_a_tile() {
    both(Conv { h: 5, w: 70, window: Window::square(3, 2, 1), ..three(3, 2, 2) });
}

#[test]
fn more_blocks_than_parts() {
    both(three(150, 2, 3));
}

#[test]
fn tiles_that_each_thread_takes_alone() {
    both(Conv { h: 31, w: 33, ..three(33, 9, 17) });
}

#[test]
fn tiles_in_several_chunks() {
    both(Conv { h: 33, w: 30, ..three(2, 130, 66) });
}

#[test]
fn zeros_give_zeros() {
    for conv in [three(17, 5, 6), three(17, 9, 8)] {
        let mut case = Case::new(conv, 1).ending(Ending::NONE);
        case.weight.values.fill(0.0);
        case.dy.values.fill(0.0);
        forward(&case, 17);
        backward(&case);
    }
}
