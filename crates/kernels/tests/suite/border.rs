//! Zeros around maps.

use kernels::border::{Border, crop, pad};
use kernels::{Sides, Size};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, written};
use crate::{check, shapes};

/// Zeros on each side.
pub fn sides() -> impl Strategy<Value = Sides> {
    [0..=3_usize, 0..=3_usize, 0..=3_usize, 0..=3_usize]
        .prop_map(|[top, left, bottom, right]| Sides { top, left, bottom, right })
}

/// `x` with `sides` around.
pub fn padded(x: &Array, sides: Sides) -> Array {
    let [n, c, h, w] = x.shape;
    let shape = [n, c, sides.top + h + sides.bottom, sides.left + w + sides.right];
    let mut y = Array::zeros(shape);
    for (i, v) in x.values.iter().enumerate() {
        let (plane, row, column) = (i / (h * w), i / w % h, i % w);
        let to = y.index([plane / c, plane % c, sides.top + row, sides.left + column]);
        y.values[to] = *v;
    }
    y
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn both_ways(shape in shapes::activation(), sides in sides(), seed: u64) {
        let x = Array::normal(shape, &mut stream(seed, "test/border", 0));
        let y = padded(&x, sides);
        let border = Border { size: Size { h: shape[2], w: shape[3] }, sides };
        prop_assert_eq!(&[border.output().h, border.output().w], &y.shape[2..]);
        let found = written(y.blocks_len(), |y| pad(border, &x.blocks(), y));
        prop_assert_eq!(&found, &y.blocks());
        // The gradient of a border is dropped.
        let dy = Array::normal(y.shape, &mut stream(seed, "test/border", 1));
        let dx = x.read(&written(x.blocks_len(), |dx| crop(border, &dy.blocks(), dx)));
        let value = |x_: &[f64]| check::dot(&dy.values, &padded(&x.with(x_), sides).values);
        check::gradient(value, &x.values, &dx);
    }
}
