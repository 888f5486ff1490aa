//! Global and adaptive average pooling.

use kernels::average::{self, Grid};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, written};
use crate::{check, shapes};

/// Mean of each (image, channel).
fn expected(x: &[f64], pixels: usize) -> Vec<f64> {
    x.chunks(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64).collect()
}

/// Mean of each window as `torch.nn.AdaptiveAvgPool2d` documents them.
fn expected_grid(x: &Array, grid: Grid) -> Array {
    let [n, c, h, w] = x.shape;
    let mut y = Array::zeros([n, c, grid.side, grid.side]);
    let span = |o: usize, size: usize| {
        let first = (o * size) as f64 / grid.side as f64;
        let end = ((o + 1) * size) as f64 / grid.side as f64;
        first.floor() as usize..end.ceil() as usize
    };
    for (i, y) in y.values.iter_mut().enumerate() {
        let (plane, o) = (i / (grid.side * grid.side), i % (grid.side * grid.side));
        let (rows, columns) = (span(o / grid.side, h), span(o % grid.side, w));
        let at = |row: usize, column: usize| x.values[(plane * h + row) * w + column];
        let all: Vec<f64> = rows.flat_map(|r| columns.clone().map(move |c| at(r, c))).collect();
        *y = all.iter().sum::<f64>() / all.len() as f64;
    }
    y
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

    #[test]
    fn any_grid(shape in shapes::activation(), side in 1..=9_usize, seed: u64) {
        let [n, c, h, w] = shape;
        let grid = Grid { h, w, side };
        let mut random = stream(seed, "test/average", 0);
        let (x, dy) =
            (Array::normal(shape, &mut random), Array::normal([n, c, side, side], &mut random));
        let y = expected_grid(&x, grid);
        let found = written(y.blocks_len(), |y| average::to_grid(grid, &x.blocks(), y));
        check::close(&y.read(&found), &y.values, 1e-6);
        let dx = written(x.blocks_len(), |dx| average::to_grid_grad(grid, &dy.blocks(), dx));
        let value = |v: &[f64]| check::dot(&dy.values, &expected_grid(&x.with(v), grid).values);
        check::gradient(value, &x.values, &x.read(&dx));
    }
}
