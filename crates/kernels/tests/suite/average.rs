//! Average pooling: windows, grids and the global average.

use kernels::pool::{Average, Pooling, average, average_backward};
use kernels::{Size, Window};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, written};
use crate::pool::{table, window};
use crate::{check, reference, shapes};

fn forward(of: &Average, x: &Array) -> Vec<f64> {
    let [n, c, ..] = x.shape;
    let y = Array::zeros([n, c, of.output().h, of.output().w]);
    y.read(&written(y.blocks_len(), |y| average(of, &x.blocks(), y)))
}

/// Asserts that both passes are the f64 version and its gradient.
fn check(of: &Average, [n, c]: [usize; 2], seed: u64) {
    let mut random = stream(seed, "test/average", 0);
    let x = Array::normal([n, c, of.input().h, of.input().w], &mut random);
    let dy = Array::normal([n, c, of.output().h, of.output().w], &mut random);
    check::close(&forward(of, &x), &reference::pool::average(of, &x).values, 1e-6);
    let dx = written(x.blocks_len(), |dx| average_backward(of, &dy.blocks(), dx));
    let value =
        |v: &[f64]| check::dot(&dy.values, &reference::pool::average(of, &x.with(v)).values);
    check::gradient(value, &x.values, &x.read(&dx));
}

/// Grids of any size, the global average often among them.
pub fn grids() -> impl Strategy<Value = Average> {
    let output = prop_oneof![Just([1, 1]), [1..=9_usize, 1..=9_usize]];
    (shapes::activation(), output).prop_map(|([_, _, h, w], output)| Average::Grid {
        input: Size { h, w },
        output: Size { h: output[0], w: output[1] },
    })
}

/// Windows of any kind.
pub fn windows() -> impl Strategy<Value = Average> {
    (shapes::pooling(), any::<bool>())
        .prop_map(|(pooling, count_padding)| Average::Windows { pooling, count_padding })
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_windows(of in windows(), n in shapes::batch(), c in 1..=5_usize, seed: u64) {
        check(&of, [n, c], seed);
    }

    #[test]
    fn any_grid(of in grids(), n in shapes::batch(), c in 1..=40_usize, seed: u64) {
        check(&of, [n, c], seed);
    }
}

/// Ceil mode, and whether padding is counted.
#[test]
fn windows_as_in_pytorch() {
    let check = |window: Window, [ceil, count_padding]: [bool; 2], expected: &[f64]| {
        let pooling = Pooling { size: Size { h: 5, w: 6 }, window, ceil };
        let found = forward(&Average::Windows { pooling, count_padding }, &table());
        let off = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        assert!(found.len() == expected.len() && off < 1e-5, "{window:?}: {found:?}");
    };
    check(
        window([3, 3], [2, 2], [1, 1], 1),
        [true, false],
        &[
            16.0, 16.16667, 14.66667, 16.5, 17.0, 15.44444, 15.66667, 12.33333, 18.0, 18.16667,
            16.66667, 18.5,
        ],
    );
    check(
        window([3, 3], [2, 2], [1, 1], 1),
        [true, true],
        &[
            7.11111, 10.77778, 9.77778, 5.5, 11.33333, 15.44444, 15.66667, 6.16667, 8.0, 12.11111,
            11.11111, 6.16667,
        ],
    );
    check(window([2, 2], [3, 3], [1, 1], 1), [true, false], &[7.0, 24.5, 11.0, 19.0, 21.0, 7.5]);
    check(window([2, 2], [3, 3], [1, 1], 1), [true, true], &[1.75, 12.25, 2.75, 9.5, 21.0, 3.75]);
    check(
        window([2, 3], [2, 2], [0, 1], 1),
        [true, false],
        &[16.0, 16.16667, 14.66667, 16.5, 14.75, 17.5, 16.0, 7.5, 23.5, 13.33333, 17.0, 24.0],
    );
    check(
        window([2, 3], [2, 2], [0, 1], 1),
        [true, true],
        &[
            10.66667, 16.16667, 14.66667, 8.25, 9.83333, 17.5, 16.0, 3.75, 15.66667, 13.33333,
            17.0, 12.0,
        ],
    );
    check(
        window([3, 2], [2, 2], [1, 1], 1),
        [false, false],
        &[
            12.5, 15.25, 13.75, 16.5, 18.66667, 13.66667, 17.33333, 12.33333, 14.5, 17.25, 15.75,
            18.5,
        ],
    );
    check(
        window([3, 2], [2, 2], [1, 1], 1),
        [false, true],
        &[
            4.16667, 10.16667, 9.16667, 5.5, 9.33333, 13.66667, 17.33333, 6.16667, 4.83333, 11.5,
            10.5, 6.16667,
        ],
    );
}

#[test]
fn grid_as_in_pytorch() {
    let grid = Average::Grid { input: Size { h: 5, w: 6 }, output: Size { h: 2, w: 4 } };
    let thirds = [49.0, 39.0, 50.0, 40.0, 53.0, 43.0, 54.0, 44.0];
    check::close(&forward(&grid, &table()), &thirds.map(|sum| sum / 3.0), 1e-6);
}

#[test]
fn window_without_a_pixel_is_zero() {
    let pooling = Pooling { size: Size::square(1), window: Window::square(1, 1, 1), ceil: false };
    for count_padding in [false, true] {
        let of = Average::Windows { pooling, count_padding };
        let x = Array::of([1, 1, 1, 1], || 2.0);
        let mut expected = [0.0; 9];
        expected[4] = 2.0;
        assert_eq!(forward(&of, &x), expected);
    }
}
