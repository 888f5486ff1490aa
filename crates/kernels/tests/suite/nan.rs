//! Not-a-number passes through, as in `PyTorch`, so that a diverged run shows.

use kernels::activation::{apply, backward};
use kernels::conv::{Conv, Dense, Epilogue, Sparse};
use kernels::norm::{self, Affine, Gradients, Norm, Plane, Saved, Tail};
use kernels::pool::{self, Pooling};
use kernels::{Activation, LANES, Lanes, Size, Window};

use crate::activation::ALL;
use crate::ending;

#[test]
fn activations() {
    for activation in ALL {
        let mut y = [f32::NAN, 0.0];
        apply(activation, &mut y);
        assert!(y[0].is_nan() && y[1].is_finite(), "{activation:?}");
    }
}

/// Three times the derivative that `PyTorch` has at NaN: that of a comparison that fails, or NaN.
#[test]
fn derivatives() {
    let check = |activation: Activation, expected: f32| {
        let mut grad = [3.0];
        backward(activation, &[f32::NAN], &mut grad);
        assert!(grad[0] == expected || grad[0].is_nan() && expected.is_nan(), "{activation:?}");
    };
    check(Activation::Relu, 3.0);
    check(Activation::Relu6, 3.0);
    check(Activation::LeakyRelu { slope: 0.125 }, 0.375);
    check(Activation::HardSwish, 3.0);
    check(Activation::HardSigmoid, 0.0);
    check(Activation::Sigmoid, f32::NAN);
    check(Activation::Silu, f32::NAN);
    check(Activation::Gelu, f32::NAN);
    check(Activation::GeluTanh, f32::NAN);
}

/// A gradient that is NaN is 0 where the rectifier's output is.
#[test]
fn rectifier_of_a_gradient() {
    let mut grad = [3.0, 3.0, f32::NAN, f32::NAN];
    backward(Activation::Relu, &[f32::NAN, 0.0, 2.0, 0.0], &mut grad);
    assert_eq!(grad[..2], [3.0, 0.0]);
    assert!(grad[2].is_nan() && grad[3] == 0.0);
}

#[test]
fn max_pool() {
    let (size, window) = (Size::square(2), Window::square(2, 2, 0));
    let p = Pooling { size, window, ceil: false };
    for pixel in 0..4 {
        let mut x: Vec<f32> = (0..4 * LANES).map(|i| i as f32).collect();
        x[pixel * LANES + 5] = f32::NAN;
        let mut y = [0.0; LANES];
        pool::max(&p, &x, &mut y);
        let lanes = y.iter().enumerate();
        lanes.for_each(|(l, v)| assert_eq!(v.is_nan(), l == 5, "pixel {pixel}, lane {l}"));
    }
}

/// Where NaN is put among three channels of one pixel of sixteen images.
const AT: usize = LANES + 5;
const SCALE: Affine = Affine { weight: &[1.0; 3], bias: &[0.5; 3], eps: 1e-5 };
const RELU: Option<Activation> = Some(Activation::Relu);

fn plane() -> Plane {
    Plane { lanes: Lanes::of(LANES), channels: 3, pixels: 1 }
}

/// 0, 1 and so on, with NaN in place of one.
fn with_nan() -> Vec<f32> {
    (0..3 * LANES).map(|i| if i == AT { f32::NAN } else { i as f32 }).collect()
}

/// Asserts which of the values are NaN.
#[track_caller]
fn assert_nan(values: &[f32], expected: impl Fn(usize) -> bool) {
    let wrong = (0..values.len()).find(|i| values[*i].is_nan() != expected(*i));
    assert_eq!(wrong, None);
}

#[test]
fn batch_norm_and_its_rectifier() {
    let (x, zeros, mut stats) = (with_nan(), [0.0; 3 * LANES], [0.0; 6]);
    let mut y = [0.0; 3 * LANES];
    let norm = |add| Norm { plane: plane(), affine: SCALE, tail: Tail { add, activation: RELU } };
    norm(&[]).forward(&x, &mut stats, &mut y);
    assert_nan(&y, |i| i / LANES == AT / LANES);
    assert_nan(&stats, |i| i / 2 == AT / LANES);
    let stats = [0.0, 1.0].repeat(3);
    norm(&[]).apply(&x, &stats, &mut y);
    assert_nan(&y, |i| i == AT);
    norm(&x).apply(&zeros, &stats, &mut y);
    assert_nan(&y, |i| i == AT);
}

/// A gradient passes where the rectifier's output is NaN, and NaN where it is not 0.
#[test]
fn batch_norm_backward() {
    let stats = [0.0, 1.0].repeat(3);
    let check = |x: &[f32], output: &[f32], gradient: f32, expected: f32| {
        let saved = Saved { x, stats: &stats, y: output, activation: RELU };
        let (mut dz, mut dx, mut sums) = ([1.0; 3 * LANES], [0.0; 3 * LANES], [0.0; 6]);
        dz[AT] = gradient;
        let gradients = Gradients { dy: &mut dz, dx: &mut dx, sums: &mut sums };
        norm::backward(plane(), SCALE, saved, gradients);
        assert_eq!(dz[AT].to_bits(), expected.to_bits());
        assert_nan(&dz, |i| i == AT && expected.is_nan());
        let poisoned = x[AT].is_nan() || expected.is_nan();
        assert_nan(&dx, |i| poisoned && i / LANES == AT / LANES);
        assert_nan(&sums[..], |i| poisoned && (i == 3 || i == 2 && expected.is_nan()));
    };
    let (ones, minus) = ([1.0; 3 * LANES], [-1.0; 3 * LANES]);
    check(&with_nan(), &[], 7.0, 7.0);
    check(&ones, &[], f32::NAN, f32::NAN);
    check(&minus, &[], f32::NAN, 0.0);
    check(&ones, &with_nan(), 7.0, 7.0);
    check(&minus, &ones, f32::NAN, f32::NAN);
    check(&ones, &[0.0; 3 * LANES], f32::NAN, 0.0);
}

/// What writes an output given an input and what follows the sums.
type Forward<'a> = &'a dyn Fn(&[f32], &Epilogue, &mut [f32]);

#[test]
fn convolution_and_its_activation() {
    let lanes = Lanes::of(LANES);
    let each = |inputs, outputs, activation| {
        let conv = Conv { lanes, inputs, h: 8, w: 8, outputs, window: Window::square(3, 1, 1) };
        let image = (0..conv.input_len()).map(|i| if i % LANES == 5 { f32::NAN } else { 1.0 });
        let (x, weight) = (image.collect::<Vec<_>>(), vec![1.0; conv.weight_len()]);
        let check = |forward: Forward| {
            let mut y = vec![0.0; conv.output_len()];
            forward(&x, &Epilogue { activation: Some(activation), ..Epilogue::default() }, &mut y);
            let wrong = (0..y.len()).find(|i| y[*i].is_nan() != (i % LANES == 5));
            assert_eq!(wrong, None, "{inputs} channels");
        };
        let mut sparse = Sparse::new(&conv, &vec![true; weight.len()]);
        sparse.set(&weight);
        check(&|x, end, y| Dense::new(&conv, &weight).forward(&conv, x, end, y));
        check(&|x, end, y| sparse.forward(&conv, x, end, y));
    };
    for activation in ending::ALL.into_iter().flatten() {
        each(3, 4, activation);
        each(8, 9, activation);
    }
}
