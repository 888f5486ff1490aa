//! Optimisers over a hundred steps.

use kernels::optimiser::{self, Adam, Sgd};
use seed::stream;

use crate::array::{Array, plain, wide};
use crate::check;
use crate::reference::{adam, sgd};

/// Values: several pieces of the kernel and a part of one.
const LEN: usize = 40_000;
const STEPS: usize = 100;
/// The usual constants of Adam, at its first step.
const USUAL: Adam =
    Adam { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 1 };

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

    /// The weights and the `K` states that go with them after the steps of `kernel`, each of which
    /// holds the mask in all of them.
    fn found<const K: usize>(
        &self,
        mut kernel: impl FnMut(u32, &mut [f32], &mut [Vec<f32>; K], &[f32]),
    ) -> Vec<Vec<f64>> {
        let mut weight = plain(&self.start);
        let mut states: [Vec<f32>; K] = std::array::from_fn(|_| vec![0.0; LEN]);
        for step in 1..=STEPS {
            let slopes = weight.iter().enumerate().map(|(i, w)| self.slope(i, f64::from(*w)));
            let grad: Vec<f32> = slopes.map(|g| g as f32).collect();
            kernel(step as u32, &mut weight, &mut states, &grad);
            self.assert_held(&weight);
            for state in &states {
                self.assert_held(state);
            }
        }
        std::iter::once(&weight).chain(&states).map(|values| wide(values)).collect()
    }

    #[track_caller]
    fn assert_held(&self, values: &[f32]) {
        let mut pruned = (0..LEN).filter(|i| !self.keeps(*i));
        assert!(pruned.all(|i| values[i].to_bits() == 0), "a pruned weight or state is not +0");
    }

    /// The same of the f64 version: `step` takes number, state, slope and whether to keep it.
    fn expected<const K: usize, S>(
        &self,
        start: impl Fn(f64) -> S,
        step: impl Fn(u32, &mut S, &dyn Fn(f64) -> f64, bool),
        end: impl Fn(&S) -> [f64; K],
    ) -> Vec<Vec<f64>> {
        let run = |i: usize| {
            let mut state = start(self.start[i]);
            for n in 1..=STEPS as u32 {
                step(n, &mut state, &|w| self.slope(i, w), self.keeps(i));
            }
            end(&state)
        };
        let ends: Vec<[f64; K]> = (0..LEN).map(run).collect();
        (0..K).map(|k| ends.iter().map(|end| end[k]).collect()).collect()
    }
}

/// Weights and their states each agree.
#[track_caller]
fn agree(found: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "states");
    found.iter().zip(expected).for_each(|(f, e)| check::close(f, e, tolerance));
}

#[track_caller]
fn check_sgd(momentum: f32, weight_decay: f32, nesterov: bool) {
    let sgd = Sgd { lr: 0.01, momentum, weight_decay, nesterov };
    for masked in [false, true] {
        let bowls = Bowls::new(masked);
        let found = bowls.found(|_, weight, [velocity], grad| {
            optimiser::sgd(sgd, weight, velocity, grad, &bowls.mask);
        });
        let expected = bowls.expected(
            |weight| sgd::State { weight, velocity: 0.0 },
            |_, state, slope, keep| state.step(sgd, slope(state.weight), keep),
            |state| [state.weight, state.velocity],
        );
        agree(&found, &expected, 1e-5);
    }
}

#[track_caller]
fn check_adam(constants: Adam) {
    for masked in [false, true] {
        let bowls = Bowls::new(masked);
        let adam = |step: u32| Adam { step, ..constants };
        let found = bowls.found(|step, weight, [mean, square], grad| {
            optimiser::adam(adam(step), weight, (mean, square), grad, &bowls.mask);
        });
        let expected = bowls.expected(
            |weight| adam::State { weight, mean: 0.0, square: 0.0 },
            |step, state, slope, keep| state.step(adam(step), slope(state.weight), keep),
            |state| [state.weight, state.mean, state.square],
        );
        agree(&found, &expected, 1e-5);
    }
}

#[test]
fn plain_descent() {
    check_sgd(0.0, 0.0, false);
}

#[test]
fn momentum_and_weight_decay() {
    check_sgd(0.9, 5e-4, false);
}

#[test]
fn nesterov() {
    check_sgd(0.9, 0.01, true);
}

#[test]
fn adam_with_its_usual_constants() {
    check_adam(USUAL);
}

#[test]
fn adam_with_weight_decay() {
    check_adam(Adam { weight_decay: 0.1, ..USUAL });
}

/// So strong a decay tells one that is scaled by the gradients' size from one that is not.
#[test]
fn adam_with_decoupled_weight_decay() {
    check_adam(Adam { lr: 0.01, weight_decay: 0.5, decoupled: true, ..USUAL });
}

/// Inside the root, or beside a mean that is not corrected, this much would be something else.
#[test]
fn adam_with_a_large_eps() {
    check_adam(Adam { lr: 0.01, betas: (0.8, 0.95), eps: 0.1, weight_decay: 0.01, ..USUAL });
}

/// A first step has the size of the learning rate, whatever the gradient's: the means are corrected.
#[test]
fn first_step_of_adam() {
    let check = |grad: f32, expected: f32| {
        let (mut weight, mut mean, mut square) = ([1.0], [0.0], [0.0]);
        let adam = Adam { lr: 0.125, ..USUAL };
        optimiser::adam(adam, &mut weight, (&mut mean, &mut square), &[grad], &[]);
        assert!((weight[0] - expected).abs() < 1e-6, "{} for {grad}", weight[0]);
    };
    check(0.1, 0.875);
    check(50.0, 0.875);
    check(-2.0, 1.125);
    check(0.0, 1.0);
}

#[test]
fn moving_averages() {
    let bowls = Bowls::new(true);
    let mut average = plain(&bowls.start);
    let mut expected = wide(&average);
    for step in 0..STEPS {
        let decay = 0.9 + 0.0009 * step as f32;
        let shifted = bowls.floor.iter().map(|v| (v + step as f64 / 50.0) as f32);
        let values: Vec<f32> = shifted.collect();
        optimiser::average(&mut average, &values, decay);
        for (e, v) in expected.iter_mut().zip(&values) {
            *e = f64::from(decay) * *e + (1.0 - f64::from(decay)) * f64::from(*v);
        }
    }
    check::close(&wide(&average), &expected, 1e-6);
    let mut held = [0.0, 0.1];
    optimiser::average(&mut held, &[0.0, 0.1], 0.999);
    assert_eq!(held.map(f32::to_bits), [0.0_f32, 0.1].map(f32::to_bits));
}

/// What is pruned is +0 even where it diverges, and what is kept and diverges shows.
#[test]
fn masks_stop_what_is_not_finite() {
    const MASK: [f32; 4] = [0.0, 0.0, -0.0, 1.0];
    let grad = [f32::NAN, f32::INFINITY, -1.0, f32::NAN];
    let check = |values: &[f32]| {
        assert_eq!(values[..3].iter().map(|v| v.to_bits()).collect::<Vec<_>>(), [0; 3]);
        assert!(values[3].is_nan());
    };
    let (mut weight, mut first, mut second) = ([-1.0; 4], [-1.0; 4], [1.0; 4]);
    let sgd = Sgd { lr: 0.1, momentum: 0.9, weight_decay: 0.1, nesterov: true };
    optimiser::sgd(sgd, &mut weight, &mut first, &grad, &MASK);
    check(&weight);
    check(&first);
    let (mut weight, mut first) = ([-1.0; 4], [-1.0; 4]);
    let adam = Adam { lr: 0.1, weight_decay: 0.1, step: 2, ..USUAL };
    optimiser::adam(adam, &mut weight, (&mut first, &mut second), &grad, &MASK);
    check(&weight);
    check(&first);
    check(&second);
}
