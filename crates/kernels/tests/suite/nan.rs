//! Not-a-number passes through, as in `PyTorch`, so that a diverged run shows.

use kernels::conv::{Conv, Dense, Epilogue, Sparse};
use kernels::elementwise::{relu, relu_grad};
use kernels::pool::{self, Pooling};
use kernels::{LANES, Lanes};

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

/// What writes an output given an input and what follows the sums.
type Forward<'a> = &'a dyn Fn(&[f32], &Epilogue, &mut [f32]);

#[test]
fn convolution_and_its_rectifier() {
    let lanes = Lanes::of(LANES);
    for (inputs, outputs) in [(3, 4), (8, 9)] {
        let conv = Conv { lanes, inputs, h: 8, w: 8, outputs, kernel: 3, stride: 1, padding: 1 };
        let image = (0..conv.input_len()).map(|i| if i % LANES == 5 { f32::NAN } else { 1.0 });
        let (x, weight) = (image.collect::<Vec<_>>(), vec![1.0; conv.weight_len()]);
        let check = |forward: Forward| {
            let mut y = vec![0.0; conv.output_len()];
            forward(&x, &Epilogue { relu: true, ..Epilogue::default() }, &mut y);
            let wrong = (0..y.len()).find(|i| y[*i].is_nan() != (i % LANES == 5));
            assert_eq!(wrong, None, "{inputs} channels");
        };
        let mut sparse = Sparse::new(&conv, &vec![true; weight.len()]);
        sparse.set(&weight);
        check(&|x, end, y| Dense::new(&conv, &weight).forward(&conv, x, end, y));
        check(&|x, end, y| sparse.forward(&conv, x, end, y));
    }
}
