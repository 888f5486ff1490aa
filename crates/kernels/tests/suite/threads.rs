//! The same bits for any number of threads.

use kernels::conv::{self, Conv};
use kernels::loss::{Target, cross_entropy};
use kernels::norm::{self, Affine, Plane};
use kernels::optimiser::{self, Sgd};
use kernels::pool::{self, Pooling};
use kernels::{LANES, Lanes, average, elementwise, pack};
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

fn convolution(inputs: usize) {
    let (lanes, outputs) = (Lanes::of(IMAGES), 10);
    let conv = Conv { lanes, inputs, h: 13, w: 13, outputs, kernel: 3, stride: 1, padding: 1 };
    let (x, dy) = (normal(conv.input_len(), 0), normal(conv.output_len(), 1));
    let (weight, bias) = (normal(conv.weight_len(), 2), normal(outputs, 3));
    check(|| written(dy.len(), |y| conv::forward(&conv, &x, &weight, &bias, y)));
    check(|| written(x.len(), |dx| conv::input_grad(&conv, &dy, &weight, dx)));
    check(|| written(weight.len(), |dw| conv::weight_grad(&conv, &dy, &x, dw)));
    check(|| written(outputs, |db| conv::bias_grad(&conv, &dy, db)));
}

#[test]
fn convolution_of_few_channels() {
    convolution(9);
}

#[test]
fn convolution_of_many_channels() {
    convolution(70);
}

#[test]
fn batch_norm() {
    let plane = Plane { lanes: Lanes::of(IMAGES), channels: 7, pixels: 150 };
    let len = plane.lanes.blocks() * plane.channels * plane.pixels * LANES;
    let (x, dy, weight) = (normal(len, 0), normal(len, 1), normal(7, 2));
    let stats = written(14, |s| norm::statistics(plane, &x, s));
    let affine = Affine { stats: &stats, weight: &weight, bias: &weight, eps: 1e-5 };
    let sums = written(14, |s| norm::gradient_sums(plane, affine, (&x, &dy), s));
    check(|| written(14, |s| norm::statistics(plane, &x, s)));
    check(|| written(14, |s| norm::gradient_sums(plane, affine, (&x, &dy), s)));
    check(|| written(len, |y| norm::apply(plane, affine, &x, y)));
    check(|| {
        written(len, |dx| {
            dx.copy_from_slice(&dy);
            norm::backward(plane, affine, (&x, &sums), dx);
        })
    });
}

#[test]
fn pooling() {
    let (p, planes) = (Pooling { h: 9, w: 9, kernel: 3, stride: 2, padding: 1 }, 50);
    let (x, dy) = (normal(planes * 81 * LANES, 0), normal(planes * 25 * LANES, 1));
    let means = normal(planes * LANES, 2);
    check(|| written(dy.len(), |y| pool::forward(p, &x, y)));
    check(|| written(x.len(), |dx| pool::backward(p, &x, &dy, dx)));
    check(|| written(means.len(), |y| average::forward(&x, 81, y)));
    check(|| written(x.len(), |dx| average::backward(&means, 81, dx)));
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
    on_copy(|x, _| elementwise::relu(x));
    on_copy(elementwise::relu_grad);
    on_copy(elementwise::add);
}

#[test]
fn descent() {
    let sgd = Sgd { lr: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: true };
    let (start, grad, mask) = (normal(LONG, 0), normal(LONG, 1), normal(LONG, 2));
    let mask: Vec<f32> = mask.iter().map(|m| f32::from(*m > 0.0)).collect();
    check(|| {
        let (mut weight, mut velocity) = (start.clone(), vec![0.0; LONG]);
        optimiser::velocity(sgd, &mut velocity, &grad, &weight, &mask);
        optimiser::step(sgd, &mut weight, &velocity, &grad, &mask);
        [weight, velocity].concat()
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
