//! Optimisers, clipping and schedules against `PyTorch`'s trajectories over a hundred steps
//! (`pipelines/peers/optimisers.py` wrote them).

use std::path::Path;

use engine::{Adam, OneCycle, Schedule, Sgd, Shape};
use kernels::{clip, optimiser};
use serde::Deserialize;

const STEPS: usize = 100;
/// Relative difference of every weight, rate and momentum.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    optimiser: String,
    lr: f64,
    momentum: f64,
    beta2: f32,
    eps: f32,
    weight_decay: f32,
    nesterov: bool,
    clip_value: Option<f32>,
    clip_norm: Option<f64>,
    schedule: String,
    every: usize,
    milestones: Vec<usize>,
    gamma: f64,
    rise: f64,
    div: f64,
    final_div: f64,
    cycle_momentum: bool,
    points: Vec<Point>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    step: usize,
    lr: f64,
    momentum: f64,
    weights: Vec<f64>,
}

/// Eight weights with the states of both optimisers.
struct State {
    weight: [f32; 8],
    first: [f32; 8],
    second: [f32; 8],
}

/// The slope of `sum(a * (w - b)^2 / 2 + c * sin(d * w))` at each weight.
fn slopes(weight: &[f32; 8]) -> [f32; 8] {
    std::array::from_fn(|k| {
        let (w, i) = (f64::from(weight[k]), k as f64);
        let (a, b, c, d) = (0.5 + 0.25 * i, 2.0 - 0.3 * i, 0.2 + 0.05 * i, 1.0 + 0.5 * i);
        (a * (w - b) + c * d * (d * w).cos()) as f32
    })
}

impl Case {
    fn schedule(&self) -> Schedule {
        let gamma = self.gamma;
        let shape = match self.schedule.as_str() {
            "constant" => Shape::Constant,
            "cosine" => Shape::Cosine,
            "step" => Shape::Step { every: self.every, gamma },
            "multi-step" => Shape::MultiStep { milestones: self.milestones.clone(), gamma },
            "one-cycle" => Shape::OneCycle(OneCycle {
                rise: self.rise,
                div: self.div,
                final_div: self.final_div,
                momentum: self.cycle_momentum,
            }),
            other => panic!("{}: schedule {other}", self.name),
        };
        Schedule { shape, lr: self.lr, momentum: self.momentum, warmup: 0, total: STEPS }
    }

    /// Step number `step`, counted from 1.
    fn step(&self, state: &mut State, step: usize, (lr, momentum): (f64, f64)) {
        let mut grad = slopes(&state.weight);
        if let Some(limit) = self.clip_value {
            clip::by_value(&mut grad, limit);
        }
        if let Some(limit) = self.clip_norm {
            let factor = clip::factor(clip::norm(&grad, &[]), limit);
            clip::scale(&mut grad, factor);
        }
        let (lr, momentum, weight_decay) = (lr as f32, momentum as f32, self.weight_decay);
        let State { weight, first, second } = state;
        if self.optimiser == "sgd" {
            let sgd = Sgd { lr, momentum, weight_decay, nesterov: self.nesterov };
            return optimiser::sgd(sgd, weight, first, &grad, &[]);
        }
        let decoupled = self.optimiser == "adamw";
        let (betas, eps, step) = ((momentum, self.beta2), self.eps, step as u32);
        let adam = Adam { lr, betas, eps, weight_decay, decoupled, step };
        optimiser::adam(adam, weight, (first, second), &grad, &[]);
    }

    fn check(&self) {
        let schedule = self.schedule();
        let weight = std::array::from_fn(|i| (1.0 + 0.5 * (i as f64).cos()) as f32);
        let mut state = State { weight, first: [0.0; 8], second: [0.0; 8] };
        for step in 1..=STEPS {
            let now = (schedule.lr(step - 1), schedule.momentum(step - 1));
            self.step(&mut state, step, now);
            let Some(point) = self.points.iter().find(|p| p.step == step) else { continue };
            self.close("learning rate", step, (now.0, point.lr));
            self.close("momentum", step, (now.1, point.momentum));
            assert_eq!(point.weights.len(), 8);
            for (found, expected) in state.weight.iter().zip(&point.weights) {
                self.close("weight", step, (f64::from(*found), *expected));
            }
        }
    }

    fn close(&self, what: &str, step: usize, (found, expected): (f64, f64)) {
        let off = (found - expected).abs() / expected.abs();
        assert!(
            off <= TOLERANCE,
            "{}, step {step}: {what} {found}, expected {expected}: off by {off:e}",
            self.name
        );
    }
}

#[test]
fn trajectories_are_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/optimisers.json");
    let text = artifact::file::read_text(&path).expect("reads");
    let cases: Vec<Case> = serde_json::from_str(&text).expect("a list of cases");
    assert_eq!(cases.iter().map(|c| c.points.len()).sum::<usize>(), 4 * cases.len());
    assert!(cases.len() > 10, "{} cases", cases.len());
    cases.iter().for_each(Case::check);
}
