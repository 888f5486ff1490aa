//! Sizes that cannot be are refused before anything is read or written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::channels::{self, Part, Shuffle, Source, Span};
use kernels::conv::{self, Conv, Dense, Epilogue, Sparse};
use kernels::norm::{Affine, Norm, Plane, Tail};
use kernels::pool::{self, Average, MaxSaved, Pooling};
use kernels::{Activation, LANES, Lanes, Size, Window};

/// Asserts that `kernel` panics and leaves `output` alone.
#[track_caller]
fn refused(output: &mut [f32], kernel: impl FnOnce(&mut [f32])) {
    output.fill(7.0);
    assert!(catch_unwind(AssertUnwindSafe(|| kernel(output))).is_err(), "it ran");
    assert!(output.iter().all(|v| *v == 7.0), "it wrote");
}

fn conv(h: usize, stride: usize) -> Conv {
    let lanes = Lanes::of(1);
    Conv { lanes, inputs: 1, h, w: 4, outputs: 1, window: Window::square(3, stride, 0) }
}

#[test]
fn convolution() {
    let check = |conv: Conv, input: usize, weight: usize, output: usize| {
        let (mut x, mut dw) = (vec![0.0; input * LANES], vec![0.0; weight]);
        let mut y = vec![0.0; output * LANES];
        let (x_, dw_, y_) = (x.clone(), dw.clone(), y.clone());
        refused(&mut y, |y| conv::forward(&conv, &x_, &dw_, &[], y));
        refused(&mut x, |x| conv::input_grad(&conv, &y_, &dw_, x));
        refused(&mut dw, |dw| conv::weight_grad(&conv, &y_, &x_, dw));
    };
    let whole = conv(4, 1);
    check(whole, 15, 9, 4);
    check(whole, 16, 8, 4);
    check(whole, 16, 9, 3);
    check(whole, 16, 9, 5);
    // No output row, or as many as wrapping around gives.
    for stride in 1..=4 {
        check(conv(2, stride), 8, 9, 0);
        check(conv(1, stride), 4, 9, 2);
    }
    check(conv(4, 0), 16, 9, 4);
    let dilation = Size { h: 0, w: 1 };
    check(Conv { window: Window { dilation, ..whole.window }, ..whole }, 16, 9, 8);
    // No channels.
    check(Conv { outputs: 0, ..whole }, 16, 0, 0);
    check(Conv { inputs: 0, ..whole }, 0, 0, 4);
}

#[test]
fn bias() {
    let conv = conv(4, 1);
    refused(&mut [0.0; 2], |db| conv::bias_grad(&conv, &[0.0; 4 * LANES], db));
    refused(&mut [0.0; 1], |db| conv::bias_grad(&conv, &[0.0; 3 * LANES], db));
    let (x, weight) = ([0.0; 16 * LANES], [0.0; 9]);
    refused(&mut [0.0; 4 * LANES], |y| conv::forward(&conv, &x, &weight, &[0.0; 2], y));
}

#[test]
fn arranged_weights() {
    let of = Conv { window: Window::square(3, 1, 1), ..conv(4, 1) };
    let (dense, sparse) = (Dense::new(&of, &[1.0; 9]), Sparse::new(&of, &[true; 9]));
    let end = Epilogue::default();
    let check = |conv: Conv, input: usize, weight: usize, output: usize| {
        let (mut x, mut dw) = (vec![0.0; input * LANES], vec![0.0; weight]);
        let mut y = vec![0.0; output * LANES];
        let (x_, y_) = (x.clone(), y.clone());
        refused(&mut dw, |dw| sparse.weight_grad(&conv, &y_, &x_, dw));
        if weight == 9 {
            refused(&mut y, |y| dense.forward(&conv, &x_, &end, y));
            refused(&mut y, |y| sparse.forward(&conv, &x_, &end, y));
            refused(&mut x, |x| sparse.input_grad(&conv, &y_, x));
        }
    };
    check(of, 15, 9, 16);
    check(of, 16, 8, 16);
    check(of, 16, 9, 17);
    // Another convolution, though of the same sizes.
    check(Conv { window: Window::square(1, 1, 0), ..of }, 16, 9, 16);
    check(Conv { h: 2, w: 8, ..of }, 16, 9, 16);
    // One image more is another block.
    check(Conv { lanes: Lanes::of(17), ..of }, 16, 9, 16);
    refused(&mut [], |_| drop(Dense::new(&of, &[1.0; 8])));
    refused(&mut [], |_| drop(Sparse::new(&of, &[true; 8])));
    refused(&mut [], |_| sparse.clone().set(&[1.0; 8]));
}

#[test]
fn epilogue() {
    let of = Conv { window: Window::square(3, 1, 1), ..conv(4, 1) };
    let (dense, sparse) = (Dense::new(&of, &[1.0; 9]), Sparse::new(&of, &[true; 9]));
    let check = |bias: &[f32], add: &[f32]| {
        let (x, mut y) = ([0.0; 16 * LANES], [0.0; 16 * LANES]);
        let end = Epilogue { bias, add, activation: None };
        refused(&mut y, |y| dense.forward(&of, &x, &end, y));
        refused(&mut y, |y| sparse.forward(&of, &x, &end, y));
    };
    check(&[0.0; 2], &[]);
    check(&[], &[0.0; 15 * LANES]);
    check(&[], &[0.0; 17 * LANES]);
}

#[test]
fn pooling() {
    let check = |kernel: usize, input: usize, output: usize| {
        let (size, window) = (Size::square(2), Window::square(kernel, 2, 0));
        let p = Pooling { size, window, ceil: false };
        let (mut x, mut y) = (vec![0.0; input], vec![0.0; output]);
        let (x_, y_) = (x.clone(), y.clone());
        refused(&mut y, |y| pool::max(&p, &x_, y));
        refused(&mut x, |x| pool::max_backward(&p, MaxSaved { x: &x_, dy: &y_ }, x));
        let means = Average::Windows { pooling: p, count_padding: true };
        refused(&mut y, |y| pool::average(&means, &x_, y));
        refused(&mut x, |x| pool::average_backward(&means, &y_, x));
    };
    check(3, 4 * LANES, LANES);
    check(2, 4 * LANES, 2 * LANES);
    check(2, 4 * LANES + 1, LANES);
    check(2, 4 * LANES, LANES + 1);
}

/// Only what follows from the output can end a norm.
#[test]
fn activation_behind_a_norm() {
    let plane = Plane { lanes: Lanes::of(1), channels: 1, pixels: 1 };
    let (affine, tail) = (
        Affine { weight: &[1.0], bias: &[0.0], eps: 1e-5 },
        Tail { add: &[], activation: Some(Activation::Silu) },
    );
    let norm = Norm { plane, affine, tail };
    let (x, stats) = ([0.0; LANES], [0.0, 1.0]);
    refused(&mut [0.0; LANES], |y| norm.apply(&x, &stats, y));
    refused(&mut [0.0; LANES], |y| norm.forward(&x, &mut [0.0; 2], y));
}

#[test]
fn channels() {
    let x = [0.0; 3 * LANES];
    let span = Span { channels: 3, start: 1, end: 4, pixels: 1 };
    refused(&mut [0.0; 3 * LANES], |y| channels::slice(span, &x, y));
    refused(&mut [0.0; 2 * LANES], |y| channels::slice(Span { end: 2, ..span }, &x, y));
    refused(&mut [0.0; 3 * LANES], |y| channels::pad(Span { end: 2, ..span }, &x, y));
    let shuffle = Shuffle { channels: 3, groups: 2, pixels: 1 };
    refused(&mut [0.0; 3 * LANES], |y| channels::shuffle(shuffle, &x, y));
    let part = Part { values: &x, channels: 2 };
    refused(&mut [0.0; 4 * LANES], |y| channels::concat(&[part, part], 1, y));
    let part = Part { values: &x, channels: 3 };
    let sources = [3, 0].map(|channel| Source::Channel { input: 0, channel });
    refused(&mut [0.0; 2 * LANES], |y| channels::gather(&[part], &sources, 1, y));
    refused(&mut [0.0; 2 * LANES], |y| channels::gather(&[part], &sources[1..], 1, y));
}

#[test]
#[should_panic(expected = "a batch without images")]
fn no_images() {
    Lanes::of(0);
}
