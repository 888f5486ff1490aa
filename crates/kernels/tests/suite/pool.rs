//! Max pooling.

use kernels::pool::{MaxSaved, Pooling, max, max_backward};
use kernels::{LANES, Sides, Size, Window};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, written};
use crate::{check, reference, shapes};

/// The shape of what is pooled.
pub fn input(pooling: &Pooling, [n, c]: [usize; 2]) -> [usize; 4] {
    [n, c, pooling.size.h, pooling.size.w]
}

/// The shape of what comes out.
pub fn output(pooling: &Pooling, [n, c]: [usize; 2]) -> [usize; 4] {
    [n, c, pooling.output().h, pooling.output().w]
}

fn forward(pooling: &Pooling, x: &Array) -> Vec<f64> {
    let y = Array::zeros(output(pooling, [x.shape[0], x.shape[1]]));
    y.read(&written(y.blocks_len(), |y| max(pooling, &x.blocks(), y)))
}

fn backward(pooling: &Pooling, x: &Array, dy: &Array) -> Vec<f64> {
    let (blocks, dy) = (x.blocks(), dy.blocks());
    let saved = MaxSaved { x: &blocks, dy: &dy };
    x.read(&written(x.blocks_len(), |dx| max_backward(pooling, saved, dx)))
}

/// Small whole numbers, of which many are equal.
fn whole(shape: [usize; 4], seed: u64, index: u64) -> Array {
    let mut random = stream(seed, "test/pool/whole", index);
    Array::of(shape, || random.below(4) as f64 - 1.0)
}

/// One window of 2x2.
const PAIR: Pooling =
    Pooling { size: Size::square(2), window: Window::square(2, 2, 0), ceil: false };

/// Windows of 2x2 that share no pixel, often with a row or a column left over.
fn pairs() -> impl Strategy<Value = Pooling> {
    (2..=19_usize, 2..=19_usize, any::<bool>()).prop_map(|(h, w, ceil)| Pooling {
        size: Size { h, w },
        ceil,
        ..PAIR
    })
}

/// Asserts that the first of equal maxima takes the gradient, to the last bit: whole numbers add up
/// without rounding.
fn check_ties(pooling: &Pooling, planes: [usize; 2], seed: u64) {
    let x = whole(input(pooling, planes), seed, 0);
    let dy = whole(output(pooling, planes), seed, 1);
    assert_eq!(backward(pooling, &x, &dy), reference::pool::max_backward(pooling, &x, &dy).values);
}

/// Values in random order, no two closer than 0.01, so that no small step changes a maximum.
pub fn distinct(shape: [usize; 4], seed: u64) -> Array {
    let len = shape.iter().product();
    let mut order = seed::permutation(seed, "test/pool", 0, len).into_iter();
    Array::of(shape, || 0.01 * order.next().expect("one a value") as f64 - 3.0)
}

/// Asserts that the backward pass is the gradient of the f64 version of the forward pass.
fn check_gradient(pooling: &Pooling, planes: [usize; 2], seed: u64) {
    let x = distinct(input(pooling, planes), seed);
    let dy = Array::normal(output(pooling, planes), &mut stream(seed, "test/cotangent", 0));
    let value = |x_: &[f64]| {
        let y = reference::pool::max(pooling, &x.with(x_)).values;
        // Windows without a pixel are minus infinity whatever the input is.
        y.iter().zip(&dy.values).filter(|(y, _)| y.is_finite()).map(|(y, g)| y * g).sum()
    };
    check::gradient(value, &x.values, &backward(pooling, &x, &dy));
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(p in shapes::pooling(), n in shapes::batch(), c in 1..=40_usize, seed: u64) {
        let x = distinct(input(&p, [n, c]), seed);
        prop_assert_eq!(forward(&p, &x), reference::pool::max(&p, &x).values);
    }

    #[test]
    fn gradient(p in shapes::pooling(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_gradient(&p, [n, c], seed);
    }

    #[test]
    fn gradient_of_pairs(p in pairs(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_gradient(&p, [n, c], seed);
    }

    #[test]
    fn ties(p in shapes::pooling(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_ties(&p, [n, c], seed);
    }

    #[test]
    fn ties_of_pairs(p in pairs(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check_ties(&p, [n, c], seed);
    }
}

/// Kernel, stride, padding and dilation, the side of the input, and the side of `PyTorch`'s output
/// without and with `ceil_mode`.
#[test]
fn sizes_as_in_pytorch() {
    let check = |[kernel, stride, padding, dilation]: [usize; 4], side: usize, out: [usize; 2]| {
        let window =
            Window { dilation: Size::square(dilation), ..Window::square(kernel, stride, padding) };
        let found = [false, true].map(|ceil| {
            let output = Pooling { size: Size::square(side), window, ceil }.output();
            assert_eq!(output.h, output.w);
            output.w
        });
        assert_eq!(found, out, "{window:?} over {side}");
    };
    check([2, 2, 0, 1], 5, [2, 3]);
    check([2, 2, 1, 1], 5, [3, 3]);
    check([3, 2, 1, 1], 6, [3, 4]);
    check([3, 2, 0, 1], 7, [3, 3]);
    check([3, 2, 0, 1], 8, [3, 4]);
    check([3, 3, 1, 1], 5, [2, 2]);
    check([3, 4, 1, 1], 6, [2, 2]);
    check([2, 3, 1, 1], 4, [2, 2]);
    check([3, 2, 1, 2], 7, [3, 3]);
    check([3, 3, 1, 2], 9, [3, 3]);
    check([5, 4, 2, 1], 10, [3, 3]);
    check([2, 2, 1, 1], 1, [1, 1]);
    check([4, 5, 2, 1], 6, [2, 2]);
}

/// Five rows of six pixels, for tables of `PyTorch`'s numbers: `(7 * i) % 31` for i from 1 on.
pub fn table() -> Array {
    let values: Vec<f64> = (1..=30).map(|i| f64::from(7 * i % 31)).collect();
    Array { shape: [1, 1, 5, 6], values }
}

/// Windows of a kernel, stride and padding, each down and across, and a dilation.
pub fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: usize,
) -> Window {
    let [top, left] = padding;
    Window {
        kernel: Size { h: kernel[0], w: kernel[1] },
        stride: Size { h: stride[0], w: stride[1] },
        dilation: Size::square(dilation),
        padding: Sides { top, left, bottom: top, right: left },
    }
}

#[test]
fn values_as_in_pytorch() {
    let check = |window: Window, ceil: bool, expected: &[f64]| {
        let pooling = Pooling { size: Size { h: 5, w: 6 }, window, ceil };
        let x = table().with(&table().values.iter().map(|v| -v).collect::<Vec<_>>());
        assert_eq!(forward(&pooling, &x), expected, "{window:?}");
    };
    check(
        window([3, 3], [2, 2], [1, 1], 1),
        true,
        &[-7.0, -1.0, -4.0, -11.0, -5.0, -1.0, -2.0, -2.0, -9.0, -3.0, -6.0, -13.0],
    );
    check(window([3, 2], [2, 3], [1, 0], 1), true, &[-7.0, -4.0, -5.0, -6.0, -9.0, -6.0]);
    check(
        window([2, 3], [1, 2], [1, 1], 2),
        false,
        &[-8.0, -8.0, -5.0, -2.0, -8.0, -8.0, -5.0, -2.0, -16.0, -13.0],
    );
    check(
        window([2, 3], [2, 2], [1, 1], 2),
        true,
        &[-8.0, -8.0, -8.0, -8.0, -8.0, -8.0, -16.0, -13.0, -13.0],
    );
}

#[test]
fn window_in_the_padding_is_minus_infinity_and_takes_no_gradient() {
    let p = Pooling { size: Size { h: 1, w: 2 }, window: Window::square(1, 1, 1), ceil: false };
    let x = Array::zeros([1, 1, 1, 2]).with(&[1.0, 2.0]);
    let out = f64::NEG_INFINITY;
    let row = [out; 4];
    assert_eq!(forward(&p, &x), [row, [out, 1.0, 2.0, out], row].concat());
    let ones = Array::of([1, 1, 3, 4], || 1.0);
    assert_eq!(backward(&p, &x, &ones), [1.0, 1.0]);
}

#[test]
fn first_of_equal_maxima_takes_the_gradient() {
    let check = |x: [f64; 4], expected: [f64; 4]| {
        let x = Array::zeros([1, 1, 2, 2]).with(&x);
        let dy = Array::of([1, 1, 1, 1], || 5.0);
        assert_eq!(backward(&PAIR, &x, &dy), expected);
        // The same window among those that no short cut is made for.
        let p = Pooling { window: Window::square(2, 1, 0), ..PAIR };
        assert_eq!(backward(&p, &x, &dy), expected);
    };
    check([1.0, 1.0, 1.0, 1.0], [5.0, 0.0, 0.0, 0.0]);
    check([0.0, 2.0, 2.0, 1.0], [0.0, 5.0, 0.0, 0.0]);
    check([-0.0, 0.0, -1.0, 0.0], [5.0, 0.0, 0.0, 0.0]);
    check([f64::NEG_INFINITY; 4], [5.0, 0.0, 0.0, 0.0]);
    check([1.0, f64::NAN, 3.0, 2.0], [0.0, 5.0, 0.0, 0.0]);
}

#[test]
fn overlapping_windows_add_up() {
    let p = Pooling { size: Size { h: 1, w: 3 }, window: Window::square(2, 1, 1), ceil: false };
    let x = Array::zeros([1, 1, 1, 3]).with(&[1.0, 3.0, 2.0]);
    let dy = Array::of([1, 1, 2, 4], || 1.0);
    assert_eq!(backward(&p, &x, &dy), [2.0, 4.0, 2.0]);
}

/// The largest values are where no window is.
#[test]
fn pixels_outside_all_pairs_take_no_gradient() {
    const IN: f32 = f32::NAN;
    let check = |h: usize, w: usize, expected: &[f32]| {
        let p = Pooling { size: Size { h, w }, ..PAIR };
        let x: Vec<f32> = (0..h * w).flat_map(|i| [i as f32; LANES]).collect();
        let dy = vec![f32::NAN; p.output().pixels() * LANES];
        let saved = MaxSaved { x: &x, dy: &dy };
        let dx = written(x.len(), |dx| max_backward(&p, saved, dx));
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
