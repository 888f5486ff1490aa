//! Max pooling.

use kernels::pool::{self, Pooling};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, written};
use crate::{check, reference, shapes};

fn forward(p: Pooling, x: &Array) -> Vec<f64> {
    let y = Array::zeros([x.shape[0], x.shape[1], p.oh(), p.ow()]);
    y.read(&written(y.blocks_len(), |y| pool::forward(p, &x.blocks(), y)))
}

fn backward(p: Pooling, x: &Array, dy: &Array) -> Vec<f64> {
    x.read(&written(x.blocks_len(), |dx| pool::backward(p, &x.blocks(), &dy.blocks(), dx)))
}

/// Values in random order, no two closer than 0.01, so that no small step changes a maximum.
fn distinct(shape: [usize; 4], seed: u64) -> Array {
    let len = shape.iter().product();
    let mut order = seed::permutation(seed, "test/pool", 0, len).into_iter();
    Array::of(shape, || 0.01 * order.next().expect("one a value") as f64 - 3.0)
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(p in shapes::pooling(), n in shapes::batch(), c in 1..=40_usize, seed: u64) {
        let x = distinct([n, c, p.h, p.w], seed);
        prop_assert_eq!(forward(p, &x), reference::pool::forward(p, &x).values);
    }

    #[test]
    fn gradient(p in shapes::pooling(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        let x = distinct([n, c, p.h, p.w], seed);
        let dy = Array::normal([n, c, p.oh(), p.ow()], &mut stream(seed, "test/cotangent", 0));
        let value = |x_: &[f64]| {
            check::dot(&dy.values, &reference::pool::forward(p, &x.with(x_)).values)
        };
        check::gradient(value, &x.values, &backward(p, &x, &dy));
    }
}

#[test]
fn window_in_the_padding_is_minus_infinity_and_takes_no_gradient() {
    let p = Pooling { h: 1, w: 2, kernel: 1, stride: 1, padding: 1 };
    let x = Array::zeros([1, 1, 1, 2]).with(&[1.0, 2.0]);
    let out = f64::NEG_INFINITY;
    let row = [out; 4];
    assert_eq!(forward(p, &x), [row, [out, 1.0, 2.0, out], row].concat());
    let ones = Array::of([1, 1, 3, 4], || 1.0);
    assert_eq!(backward(p, &x, &ones), [1.0, 1.0]);
}

#[test]
fn first_of_equal_maxima_takes_the_gradient() {
    let check = |x: [f64; 4], expected: [f64; 4]| {
        let p = Pooling { h: 2, w: 2, kernel: 2, stride: 2, padding: 0 };
        let x = Array::zeros([1, 1, 2, 2]).with(&x);
        let dy = Array::of([1, 1, 1, 1], || 5.0);
        assert_eq!(backward(p, &x, &dy), expected);
    };
    check([1.0, 1.0, 1.0, 1.0], [5.0, 0.0, 0.0, 0.0]);
    check([0.0, 2.0, 2.0, 1.0], [0.0, 5.0, 0.0, 0.0]);
    check([-0.0, 0.0, -1.0, 0.0], [5.0, 0.0, 0.0, 0.0]);
    check([f64::NEG_INFINITY; 4], [5.0, 0.0, 0.0, 0.0]);
}

#[test]
fn overlapping_windows_add_up() {
    let p = Pooling { h: 1, w: 3, kernel: 2, stride: 1, padding: 1 };
    let x = Array::zeros([1, 1, 1, 3]).with(&[1.0, 3.0, 2.0]);
    let dy = Array::of([1, 1, 2, 4], || 1.0);
    assert_eq!(backward(p, &x, &dy), [2.0, 4.0, 2.0]);
}
