//! SGD over a hundred steps.

use kernels::optimiser::{self, Sgd};
use seed::stream;

use crate::array::{Array, plain, wide};
use crate::check;
use crate::reference::sgd::State;

/// Values: several pieces of the kernel and a part of one.
const LEN: usize = 40_000;
const STEPS: usize = 100;

/// Weights that run down a bowl each: the slope is `steepness * (weight - floor)`.
struct Bowls {
    start: Vec<f64>,
    floor: Vec<f64>,
    steepness: Vec<f64>,
    mask: Vec<f32>,
}

impl Bowls {
    fn new(masked: bool) -> Self {
        let mut random = stream(7, "test/sgd", 0);
        let mut draw = |low, high| Array::of([LEN, 1, 1, 1], || random.range(low, high)).values;
        let (start, floor, steepness) = (draw(-1.0, 1.0), draw(-1.0, 1.0), draw(0.1, 2.0));
        let keep = draw(0.0, 1.0);
        let mask = keep.iter().map(|v| if *v < 0.3 { 1.0 } else { 0.0 }).collect();
        Self { start, floor, steepness, mask: if masked { mask } else { Vec::new() } }
    }

    fn slope(&self, i: usize, weight: f64) -> f64 {
        self.steepness[i] * (weight - self.floor[i])
    }

    fn keeps(&self, i: usize) -> bool {
        self.mask.get(i).is_none_or(|m| *m == 1.0)
    }

    /// Weights and velocities after the kernel's steps, each of which holds the mask.
    fn found(&self, sgd: Sgd) -> (Vec<f64>, Vec<f64>) {
        let (mut weight, mut velocity) = (plain(&self.start), vec![0.0; LEN]);
        for _ in 0..STEPS {
            let slopes = weight.iter().enumerate().map(|(i, w)| self.slope(i, f64::from(*w)));
            let grad: Vec<f32> = slopes.map(|g| g as f32).collect();
            optimiser::sgd(sgd, &mut weight, &mut velocity, &grad, &self.mask);
            let pruned = (0..LEN).filter(|i| !self.keeps(*i));
            let mut bits = pruned.map(|i| weight[i].to_bits() | velocity[i].to_bits());
            assert!(bits.all(|b| b == 0), "a pruned weight is not +0");
        }
        (wide(&weight), wide(&velocity))
    }

    fn expected(&self, sgd: Sgd) -> (Vec<f64>, Vec<f64>) {
        let end = |i: usize| {
            let mut state = State { weight: self.start[i], velocity: 0.0 };
            for _ in 0..STEPS {
                state.step(sgd, self.slope(i, state.weight), self.keeps(i));
            }
            (state.weight, state.velocity)
        };
        (0..LEN).map(end).unzip()
    }
}

#[track_caller]
fn check(momentum: f32, weight_decay: f32, nesterov: bool) {
    let sgd = Sgd { lr: 0.01, momentum, weight_decay, nesterov };
    for masked in [false, true] {
        let bowls = Bowls::new(masked);
        let (found, expected) = (bowls.found(sgd), bowls.expected(sgd));
        check::close(&found.0, &expected.0, 1e-5);
        check::close(&found.1, &expected.1, 1e-5);
    }
}

#[test]
fn plain_descent() {
    check(0.0, 0.0, false);
}

#[test]
fn momentum_and_weight_decay() {
    check(0.9, 5e-4, false);
}

#[test]
fn nesterov() {
    check(0.9, 0.01, true);
}
