//! The same bits for any number of threads.

use kernels::conv::{self, Conv, Epilogue, Sparse};
use kernels::loss::{Target, cross_entropy};
use kernels::norm::layer::LayerNorm;
use kernels::norm::{self, Affine, Gradients, Norm, Plane, Saved, Tail};
use kernels::optimiser::{self, Adam, Sgd};
use kernels::pool::{self, Average, MaxSaved, Pooling};
use kernels::{Activation, LANES, Lanes, Size, Window, activation, channels, elementwise, pack};
use seed::stream;

use crate::array::{Array, plain, written};
use crate::check::same_on_any_threads as check;

/// Images: three blocks, the last not full.
const IMAGES: usize = 40;
/// Some pieces of the kernels that go by pieces, and a part of one.
const LONG: usize = 70_000;

fn normal(len: usize, index: u64) -> Vec<f32> {
    plain(&Array::normal([len, 1, 1, 1], &mut stream(1, "test/threads", index)).values)
}

/// A convolution of a 3x3 kernel with padding 1.
fn three([inputs, h, w, outputs]: [usize; 4]) -> Conv {
    Conv { lanes: Lanes::of(IMAGES), inputs, h, w, outputs, window: Window::square(3, 1, 1) }
}

fn convolution(conv: Conv) {
    let (x, dy) = (normal(conv.input_len(), 0), normal(conv.output_len(), 1));
    let (weight, bias) = (normal(conv.weight_len(), 2), normal(conv.outputs, 3));
    check(|| written(dy.len(), |y| conv::forward(&conv, &x, &weight, &bias, y)));
    check(|| written(x.len(), |dx| conv::input_grad(&conv, &dy, &weight, dx)));
    check(|| written(weight.len(), |dw| conv::weight_grad(&conv, &dy, &x, dw)));
    check(|| written(conv.outputs, |db| conv::bias_grad(&conv, &dy, db)));
}

/// The same with every weight above `least` kept.
fn sparse(conv: Conv, least: f32) {
    let (x, dy) = (normal(conv.input_len(), 0), normal(conv.output_len(), 1));
    let (weight, bias) = (normal(conv.weight_len(), 2), normal(conv.outputs, 3));
    let kept: Vec<bool> = weight.iter().map(|w| *w > least).collect();
    let mut sparse = Sparse::new(&conv, &kept);
    sparse.set(&weight);
    let end = Epilogue { bias: &bias, add: &dy, activation: Some(Activation::Silu) };
    check(|| written(dy.len(), |y| sparse.forward(&conv, &x, &end, y)));
    check(|| written(x.len(), |dx| sparse.input_grad(&conv, &dy, dx)));
    check(|| written(weight.len(), |dw| sparse.weight_grad(&conv, &dy, &x, dw)));
}

#[test]
fn direct_convolution() {
    convolution(three([3, 13, 13, 70]));
    convolution(Conv { window: Window::square(3, 2, 1), ..three([70, 13, 13, 10]) });
    convolution(Conv { window: Window::square(1, 1, 0), ..three([70, 1, 1, 130]) });
}

#[test]
fn tiles_that_each_thread_takes_alone() {
    convolution(three([16, 32, 32, 16]));
}

#[test]
fn tiles_that_threads_share() {
    convolution(three([9, 13, 13, 10]));
    convolution(three([256, 8, 12, 270]));
}

#[test]
fn sparse_convolution() {
    sparse(three([16, 32, 32, 16]), 0.5);
    sparse(three([100, 3, 4, 200]), 1.5);
    sparse(Conv { window: Window::square(3, 2, 1), ..three([200, 9, 9, 20]) }, 1.0);
}

#[test]
fn batch_norm() {
    let plane = Plane { lanes: Lanes::of(IMAGES), channels: 7, pixels: 150 };
    let len = plane.lanes.blocks() * plane.channels * plane.pixels * LANES;
    let (x, dy, weight) = (normal(len, 0), normal(len, 1), normal(7, 2));
    let affine = Affine { weight: &weight, bias: &weight, eps: 1e-5 };
    let tail = Tail { add: &dy, activation: Some(Activation::Relu) };
    let norm = Norm { plane, affine, tail };
    let (mut stats, mut y) = (vec![0.0; 14], vec![0.0; len]);
    norm.forward(&x, &mut stats, &mut y);
    check(|| {
        let mut y = vec![f32::NAN; len];
        let stats = written(14, |stats| norm.forward(&x, stats, &mut y));
        [stats, y].concat()
    });
    check(|| written(len, |y| norm.apply(&x, &stats, y)));
    let saved = Saved { x: &x, stats: &stats, y: &y, activation: Some(Activation::Relu) };
    check(|| {
        let (mut dz, mut sums) = (dy.clone(), vec![f32::NAN; 14]);
        let dx = written(len, |dx| {
            let gradients = Gradients { dy: &mut dz, dx, sums: &mut sums };
            norm::backward(plane, affine, saved, gradients);
        });
        [dz, sums, dx].concat()
    });
    check(|| {
        let (saved, mut dx) = (Saved { y: &[], ..saved }, dy.clone());
        let sums = written(14, |sums| {
            let gradients = Gradients { dy: &mut dx, dx: &mut [], sums };
            norm::backward(plane, affine, saved, gradients);
        });
        [dx, sums].concat()
    });
    let layer = LayerNorm { plane, affine };
    check(|| written(len, |y| layer.forward(&x, y)));
    check(|| {
        let mut dx = dy.clone();
        let sums = written(14, |sums| layer.backward(&x, &mut dx, sums));
        [dx, sums].concat()
    });
    check(|| written(7, |sums| channels::scale_backward(plane, &x, &dy, sums)));
    check(|| written(7, |sums| channels::shift_backward(plane, &dy, sums)));
}

#[test]
fn pooling() {
    let planes = 50;
    let (x, size) = (normal(planes * 81 * LANES, 0), Size::square(9));
    for window in [Window::square(3, 2, 1), Window::square(2, 2, 0)] {
        let pooling = Pooling { size, window, ceil: false };
        let dy = normal(planes * pooling.output().pixels() * LANES, 1);
        check(|| written(dy.len(), |y| pool::max(&pooling, &x, y)));
        let saved = MaxSaved { x: &x, dy: &dy };
        check(|| written(x.len(), |dx| pool::max_backward(&pooling, saved, dx)));
        let means = Average::Windows { pooling, count_padding: false };
        check(|| written(dy.len(), |y| pool::average(&means, &x, y)));
        check(|| written(x.len(), |dx| pool::average_backward(&means, &dy, dx)));
    }
    let (global, means) = (Size::square(1), normal(planes * LANES, 2));
    let global = Average::Grid { input: size, output: global };
    check(|| written(means.len(), |y| pool::average(&global, &x, y)));
    check(|| written(x.len(), |dx| pool::average_backward(&global, &means, dx)));
}

#[test]
fn elementwise_kernels() {
    let (x, more) = (normal(LONG, 0), normal(LONG, 1));
    let on_copy = |write: fn(&mut [f32], &[f32])| {
        check(|| {
            written(LONG, |out| {
                out.copy_from_slice(&x);
                write(out, &more);
            })
        });
    };
    on_copy(|x, _| activation::apply(Activation::Gelu, x));
    on_copy(|grad, x| activation::backward(Activation::Silu, x, grad));
    on_copy(|grad, y| activation::backward(Activation::Relu, y, grad));
    on_copy(elementwise::add);
}

#[test]
fn descent() {
    let sgd = Sgd { lr: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: true };
    let (start, grad, mask) = (normal(LONG, 0), normal(LONG, 1), normal(LONG, 2));
    let mask: Vec<f32> = mask.iter().map(|m| f32::from(*m > 0.0)).collect();
    check(|| {
        let (mut weight, mut velocity) = (start.clone(), vec![0.0; LONG]);
        optimiser::sgd(sgd, &mut weight, &mut velocity, &grad, &mask);
        [weight, velocity].concat()
    });
    let (betas, eps) = ((0.9, 0.999), 1e-8);
    let adam = Adam { lr: 0.1, betas, eps, weight_decay: 0.01, decoupled: true, step: 3 };
    check(|| {
        let (mut weight, mut mean, mut square) = (start.clone(), vec![0.1; LONG], vec![0.2; LONG]);
        optimiser::adam(adam, &mut weight, (&mut mean, &mut square), &grad, &mask);
        [weight, mean, square].concat()
    });
}

#[test]
fn loss_and_packing() {
    let (lanes, classes) = (Lanes::of(IMAGES), 10);
    let (images, labels) = (normal(IMAGES * classes, 0), vec![3; IMAGES]);
    let target = Target { labels: &labels, classes, smoothing: 0.1 };
    let len = lanes.blocks() * classes * LANES;
    let blocks = written(len, |b| pack::to_blocks(&images, classes, lanes, b));
    check(|| written(len, |b| pack::to_blocks(&images, classes, lanes, b)));
    check(|| written(images.len(), |i| pack::from_blocks(&blocks, classes, lanes, i)));
    check(|| {
        let mut grad = vec![f32::NAN; len];
        let outcome = cross_entropy(target, &blocks, Some(&mut grad));
        let bits = outcome.loss.to_bits();
        grad.extend([f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32)]);
        grad
    });
}
