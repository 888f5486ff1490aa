//! Activations.

use kernels::activation::{relu, relu_grad, sigmoid, sigmoid_grad, silu, silu_grad};
use proptest::prelude::*;
use seed::{Stream, stream};

use crate::array::{Array, plain, wide, written};
use crate::check;

/// Up to some pieces of a kernel and a part of one.
pub fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1..100_usize, 16_000..17_000_usize, 50_000..70_000_usize]
}

pub fn normal(len: usize, random: &mut Stream) -> Vec<f64> {
    Array::normal([len, 1, 1, 1], random).values
}

/// Values, up to some of which the functions are at their limits.
fn spread(len: usize, random: &mut Stream) -> Vec<f64> {
    Array::of([len, 1, 1, 1], || 8.0 * random.normal()).values
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Asserts that `forward` writes `f` of its input.
fn check_forward(x: &[f64], forward: fn(&[f32], &mut [f32]), f: impl Fn(f64) -> f64) {
    let found = written(x.len(), |y| forward(&plain(x), y));
    let expected: Vec<f64> = x.iter().map(|x| f(*x)).collect();
    check::close(&wide(&found), &expected, 1e-6);
}

/// Asserts that `grad` turns `dy` into the gradient of `f` at `x`, given `kept`.
fn check_gradient(
    (x, dy): (&[f64], &[f64]),
    kept: &[f32],
    grad: fn(&mut [f32], &[f32]),
    f: impl Fn(f64) -> f64,
) {
    let mut dx = plain(dy);
    grad(&mut dx, kept);
    let value = |x: &[f64]| x.iter().zip(dy).map(|(x, g)| f(*x) * g).sum();
    check::gradient(value, x, &wide(&dx));
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn rectifier(len in length(), seed: u64) {
        let x = normal(len, &mut stream(seed, "test/relu", 0));
        let mut y = plain(&x);
        relu(&mut y);
        prop_assert_eq!(wide(&y), x.iter().map(|v| v.max(0.0)).collect::<Vec<_>>());
    }

    #[test]
    fn rectifier_gradient(len in length(), seed: u64) {
        let mut random = stream(seed, "test/relu", 0);
        // The kink is at 0: no input within a tenth of it.
        let x = Array::of([len, 1, 1, 1], || {
            let v = random.normal();
            v + 0.1_f64.copysign(v)
        });
        let dy = normal(len, &mut random);
        let (mut y, mut dx) = (x.plain(), plain(&dy));
        relu(&mut y);
        relu_grad(&mut dx, &y);
        let value = |x: &[f64]| x.iter().zip(&dy).map(|(x, g)| x.max(0.0) * g).sum();
        check::gradient(value, &x.values, &wide(&dx));
    }

    #[test]
    fn silu_and_sigmoid(len in length(), seed: u64) {
        let mut random = stream(seed, "test/silu", 0);
        let (x, dy) = (spread(len, &mut random), normal(len, &mut random));
        check_forward(&x, silu, |x| x * logistic(x));
        check_forward(&x, sigmoid, logistic);
        check_gradient((&x, &dy), &plain(&x), silu_grad, |x| x * logistic(x));
        let mut y = plain(&x);
        sigmoid(&plain(&x), &mut y);
        check_gradient((&x, &dy), &y, sigmoid_grad, logistic);
    }
}

#[test]
fn slope_at_zero_is_zero() {
    let check = |x: f32, expected: f32| {
        let (mut y, mut dx) = ([x], [3.0]);
        relu(&mut y);
        relu_grad(&mut dx, &y);
        assert_eq!(dx, [expected]);
    };
    check(0.0, 0.0);
    check(-0.0, 0.0);
    check(-1.0, 0.0);
    check(1.0, 3.0);
    check(f32::MIN_POSITIVE, 3.0);
}

#[test]
fn far_from_zero_nothing_overflows() {
    let check = |x: f32, [s, y]: [f32; 2]| {
        let (mut found, mut grad) = ([0.0], [1.0]);
        sigmoid(&[x], &mut found);
        assert!((found[0] - s).abs() < 1e-30, "sigmoid({x}) = {}", found[0]);
        silu(&[x], &mut found);
        assert!((found[0] - y).abs() < 1e-30, "silu({x}) = {}", found[0]);
        silu_grad(&mut grad, &[x]);
        assert!((grad[0] - s).abs() < 1e-30, "slope at {x} = {}", grad[0]);
    };
    check(1e6, [1.0, 1e6]);
    check(-1e6, [0.0, 0.0]);
}
