//! Sums and products.

use kernels::elementwise::{Products, add, multiply, products, scale};
use proptest::prelude::*;
use seed::stream;

use crate::activation::{length, normal};
use crate::array::{Array, plain, wide, written};
use crate::{check, shapes};

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn sums_and_products(len in length(), seed: u64) {
        let mut random = stream(seed, "test/add", 0);
        let (a, b) = (normal(len, &mut random), normal(len, &mut random));
        let product = written(len, |y| multiply(&plain(&a), &plain(&b), y));
        let expected: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a * b).collect();
        check::close(&wide(&product), &expected, 1e-7);
        let mut found = plain(&a);
        add(&mut found, &plain(&b));
        let expected: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        check::close(&wide(&found), &expected, 1e-7);
    }

    #[test]
    fn factors(shape in shapes::activation(), seed: u64) {
        let [n, c, h, w] = shape;
        let mut random = stream(seed, "test/scale", 0);
        let (x, s) = (Array::normal(shape, &mut random), Array::normal([n, c, 1, 1], &mut random));
        let mut found = x.blocks();
        scale(h * w, &s.blocks(), &mut found);
        let expected: Vec<f64> =
            x.values.iter().enumerate().map(|(i, v)| v * s.values[i / (h * w)]).collect();
        check::close(&x.read(&found), &expected, 1e-7);
    }

    #[test]
    fn factors_gradient(shape in shapes::activation(), seed: u64) {
        let [n, c, h, w] = shape;
        let mut random = stream(seed, "test/scale", 0);
        let (x, dy) = (Array::normal(shape, &mut random), Array::normal(shape, &mut random));
        let s = Array::normal([n, c, 1, 1], &mut random);
        let (a, b) = (dy.blocks(), x.blocks());
        let both = Products { a: &a, b: &b, pixels: h * w };
        let ds = written(s.blocks_len(), |ds| products(both, ds));
        let value = |s: &[f64]| {
            let y: Vec<f64> =
                x.values.iter().enumerate().map(|(i, v)| v * s[i / (h * w)]).collect();
            check::dot(&dy.values, &y)
        };
        check::gradient(value, &s.values, &s.read(&ds));
    }
}
