//! Max pooling.

use kernels::LANES;
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

/// Small whole numbers, of which many are equal.
fn whole(shape: [usize; 4], seed: u64, index: u64) -> Array {
    let mut random = stream(seed, "test/pool/whole", index);
    Array::of(shape, || random.below(4) as f64 - 1.0)
}

/// Windows of 2x2 that share no pixel, often with a row or a column left over.
fn pairs() -> impl Strategy<Value = Pooling> {
    (2..=19_usize, 2..=19_usize).prop_map(|(h, w)| Pooling { h, w, ..PAIR })
}

/// One window of 2x2.
const PAIR: Pooling = Pooling { h: 2, w: 2, kernel: 2, stride: 2, padding: 0 };

/// Asserts that the first of equal maxima takes the gradient, to the last bit: whole numbers add up
/// without rounding.
fn check_ties(p: Pooling, n: usize, c: usize, seed: u64) {
    let x = whole([n, c, p.h, p.w], seed, 0);
    let dy = whole([n, c, p.oh(), p.ow()], seed, 1);
    assert_eq!(backward(p, &x, &dy), reference::pool::backward(p, &x, &dy).values);
}

/// Values in random order, no two closer than 0.01, so that no small step changes a maximum.
fn distinct(shape: [usize; 4], seed: u64) -> Array {
    let len = shape.iter().product();
    let mut order = seed::permutation(seed, "test/pool", 0, len).into_iter();
    Array::of(shape, || 0.01 * order.next().expect("one a value") as f64 - 3.0)
}

/// Asserts that `backward` is the gradient of the f64 version of the forward pass.
fn check_gradient(p: Pooling, n: usize, c: usize, seed: u64) {
    let x = distinct([n, c, p.h, p.w], seed);
    let dy = Array::normal([n, c, p.oh(), p.ow()], &mut stream(seed, "test/cotangent", 0));
    let value =
        |x_: &[f64]| check::dot(&dy.values, &reference::pool::forward(p, &x.with(x_)).values);
    check::gradient(value, &x.values, &backward(p, &x, &dy));
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
        check_gradient(p, n, c, seed);
    }

    #[test]
    fn gradient_of_pairs(p in pairs(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_gradient(p, n, c, seed);
    }

    #[test]
    fn ties(p in shapes::pooling(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_ties(p, n, c, seed);
    }

    #[test]
    fn ties_of_pairs(p in pairs(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_ties(p, n, c, seed);
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
        let x = Array::zeros([1, 1, 2, 2]).with(&x);
        let dy = Array::of([1, 1, 1, 1], || 5.0);
        assert_eq!(backward(PAIR, &x, &dy), expected);
        // The same window among those that no short cut is made for.
        let p = Pooling { stride: 1, ..PAIR };
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

/// The largest values are where no window is.
#[test]
fn pixels_outside_all_pairs_take_no_gradient() {
    const IN: f32 = f32::NAN;
    let check = |h: usize, w: usize, expected: &[f32]| {
        let p = Pooling { h, w, ..PAIR };
        let x: Vec<f32> = (0..h * w).flat_map(|i| [i as f32; LANES]).collect();
        let dy = vec![f32::NAN; p.oh() * p.ow() * LANES];
        let dx = written(x.len(), |dx| pool::backward(p, &x, &dy, dx));
        let pixels = dx.chunks(LANES).map(|lanes| {
            assert!(lanes.iter().all(|v| v.to_bits() == lanes[0].to_bits()), "lanes differ");
            lanes[0].to_bits()
        });
        let expected: Vec<u32> = expected.iter().map(|v| v.to_bits()).collect();
        assert_eq!(pixels.collect::<Vec<_>>(), expected, "{h} x {w}");
    };
    check(2, 2, &[0.0, 0.0, 0.0, IN]);
    check(2, 3, &[0.0, 0.0, 0.0, 0.0, IN, 0.0]);
    check(3, 2, &[0.0, 0.0, 0.0, IN, 0.0, 0.0]);
    check(3, 3, &[0.0, 0.0, 0.0, 0.0, IN, 0.0, 0.0, 0.0, 0.0]);
}
