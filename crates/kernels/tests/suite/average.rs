//! Global average pooling.

use kernels::average;
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, written};
use crate::{check, shapes};

/// Mean of each (image, channel).
fn expected(x: &[f64], pixels: usize) -> Vec<f64> {
    x.chunks(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64).collect()
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn any_shape(shape in shapes::activation(), seed: u64) {
        let [n, c, h, w] = shape;
        let x = Array::normal(shape, &mut stream(seed, "test/average", 0));
        let y = Array::zeros([n, c, 1, 1]);
        let found = written(y.blocks_len(), |y| average::forward(&x.blocks(), h * w, y));
        check::close(&y.read(&found), &expected(&x.values, h * w), 1e-6);
    }

    #[test]
    fn gradient(shape in shapes::activation(), seed: u64) {
        let [n, c, h, w] = shape;
        let mut random = stream(seed, "test/average", 0);
        let (x, dy) = (Array::normal(shape, &mut random), Array::normal([n, c, 1, 1], &mut random));
        let dx = written(x.blocks_len(), |dx| average::backward(&dy.blocks(), h * w, dx));
        let value = |x: &[f64]| check::dot(&dy.values, &expected(x, h * w));
        check::gradient(value, &x.values, &x.read(&dx));
    }
}
