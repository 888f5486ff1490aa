//! Not-a-number passes through, as in `PyTorch`, so that a diverged run shows.

use kernels::LANES;
use kernels::elementwise::{relu, relu_grad};
use kernels::pool::{self, Pooling};

#[test]
fn rectifier() {
    let mut y = [f32::NAN, -1.0, 2.0];
    relu(&mut y);
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [0.0, 2.0]);
    let mut dx = [3.0, 3.0, f32::NAN];
    relu_grad(&mut dx, &y);
    assert_eq!(dx[..2], [3.0, 0.0]);
    assert!(dx[2].is_nan());
}

#[test]
fn max_pool() {
    let p = Pooling { h: 2, w: 2, kernel: 2, stride: 2, padding: 0 };
    for pixel in 0..4 {
        let mut x: Vec<f32> = (0..4 * LANES).map(|i| i as f32).collect();
        x[pixel * LANES + 5] = f32::NAN;
        let mut y = [0.0; LANES];
        pool::forward(p, &x, &mut y);
        let lanes = y.iter().enumerate();
        lanes.for_each(|(l, v)| assert_eq!(v.is_nan(), l == 5, "pixel {pixel}, lane {l}"));
    }
}
