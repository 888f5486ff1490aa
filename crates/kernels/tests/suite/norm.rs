//! Batch norm: forward in both modes, and backward in train mode.

use kernels::norm::{self, Affine, Saved, Tail};
use proptest::prelude::*;
use seed::stream;

use crate::array::{Array, plain, wide, written};
use crate::reference::norm as expected;
use crate::{check, shapes};

const EPS: f32 = 1e-5;

/// An activation with what its channels are scaled and shifted by.
struct Case {
    x: Array,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Case {
    fn new(shape: [usize; 4], seed: u64) -> Self {
        let mut random = stream(seed, "test/norm", 0);
        let x = Array::of(shape, || 0.5 + 2.0 * random.normal());
        let channels = [shape[1], 1, 1, 1];
        let weight = Array::normal(channels, &mut random).values;
        Self { x, weight, bias: Array::normal(channels, &mut random).values }
    }

    fn affine(&self) -> expected::Affine<'_> {
        expected::Affine { weight: &self.weight, bias: &self.bias, eps: f64::from(EPS) }
    }

    /// Calls `f` with the same in f32.
    fn plain<R>(&self, f: impl FnOnce(Affine) -> R) -> R {
        let (weight, bias) = (plain(&self.weight), plain(&self.bias));
        f(Affine { weight: &weight, bias: &bias, eps: EPS })
    }

    /// Statistics and output in train mode.
    fn forward(&self) -> (Vec<f32>, Vec<f64>) {
        let (plane, x) = (shapes::plane(&self.x), self.x.blocks());
        let mut stats = vec![f32::NAN; 2 * self.x.shape[1]];
        let run = |a: Affine| {
            written(x.len(), |y| norm::forward(plane, a, Tail::default(), &x, (&mut stats, y)))
        };
        let y = self.x.read(&self.plain(run));
        (stats, y)
    }

    fn apply(&self, stats: &[f32]) -> Vec<f64> {
        let (plane, x) = (shapes::plane(&self.x), self.x.blocks());
        let run = |a: Affine| {
            written(x.len(), |y| norm::apply(plane, a, Tail::default(), (stats, &x), y))
        };
        self.x.read(&self.plain(run))
    }

    /// (dx, dbias and dweight interleaved) for the cotangent `dy`.
    fn backward(&self, dy: &Array) -> (Vec<f64>, Vec<f64>) {
        let (plane, x, stats) = (shapes::plane(&self.x), self.x.blocks(), self.forward().0);
        let (mut dx, mut sums) = (dy.blocks(), vec![f32::NAN; stats.len()]);
        let saved = Saved { x: &x, stats: &stats, y: &[], relu: false };
        self.plain(|a| norm::backward(plane, a, saved, (&mut dx, &mut []), &mut sums));
        (self.x.read(&dx), wide(&sums))
    }
}

/// Shapes with nine values a channel or more: over two, batch norm's gradient all but cancels.
fn several() -> impl Strategy<Value = [usize; 4]> {
    (shapes::batch(), 1..=6_usize, 3..=11_usize, 3..=11_usize).prop_map(|(n, c, h, w)| [n, c, h, w])
}

proptest! {
    #![proptest_config(check::cases())]

    #[test]
    fn statistics(shape in shapes::activation(), seed: u64) {
        let case = Case::new(shape, seed);
        let expected = expected::statistics(&case.x).concat();
        check::close(&wide(&case.forward().0), &expected, 1e-6);
    }

    #[test]
    fn train_mode(shape in several(), seed: u64) {
        let case = Case::new(shape, seed);
        let y = expected::train(&case.x, &case.affine());
        check::close(&case.forward().1, &y.values, 1e-6);
    }

    #[test]
    fn eval_mode(shape in shapes::activation(), seed: u64) {
        let case = Case::new(shape, seed);
        let mut random = stream(seed, "test/running", 0);
        let running = Array::of([shape[1], 2, 1, 1], || random.range(0.1, 2.0)).values;
        let y = expected::apply(&case.x, running.as_chunks().0, &case.affine());
        check::close(&case.apply(&plain(&running)), &y.values, 1e-6);
    }

    #[test]
    fn gradient_of_input(shape in several(), seed: u64) {
        let case = Case::new(shape, seed);
        let dy = Array::normal(shape, &mut stream(seed, "test/cotangent", 0));
        let value = |x: &[f64]| {
            check::dot(&dy.values, &expected::train(&case.x.with(x), &case.affine()).values)
        };
        check::gradient(value, &case.x.values, &case.backward(&dy).0);
    }

    #[test]
    fn gradient_of_bias_and_weight(shape in several(), seed: u64) {
        let case = Case::new(shape, seed);
        let dy = Array::normal(shape, &mut stream(seed, "test/cotangent", 0));
        let value = |both: &[f64]| {
            let (bias, weight): (Vec<_>, Vec<_>) = both.chunks(2).map(|b| (b[0], b[1])).unzip();
            let affine = expected::Affine { weight: &weight, bias: &bias, ..case.affine() };
            check::dot(&dy.values, &expected::train(&case.x, &affine).values)
        };
        let pairs = case.bias.iter().zip(&case.weight);
        let both: Vec<f64> = pairs.flat_map(|(b, w)| [*b, *w]).collect();
        check::gradient(value, &both, &case.backward(&dy).1);
    }
}

#[test]
fn one_value_a_channel_is_its_own_mean() {
    let case = Case::new([1, 3, 1, 1], 1);
    assert_eq!(case.forward().1, case.bias);
    assert_eq!(case.backward(&case.x).0, [0.0; 3]);
}

#[test]
fn running_statistics_move_by_the_momentum() {
    let x = Array::zeros([5, 1, 1, 1]).with(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    let plane = shapes::plane(&x);
    let stats = Case { x, weight: vec![1.0], bias: vec![0.0] }.forward().0;
    let check = |part: usize, expected: f32| {
        let mut running = [1.0];
        norm::update_running(plane, 0.25, &stats, part, &mut running);
        assert_eq!(running, [expected]);
    };
    check(0, 0.75 + 0.25 * 3.0);
    check(1, 0.75 + 0.25 * 2.5);
}
