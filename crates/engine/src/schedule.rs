//! The learning rate, and the momentum with it, as functions of the step.

use std::f64::consts::PI;

use serde::Serialize;

/// The values of `--schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// The same rate at every step
    Constant,
    /// Half a cosine from the full rate to 0
    Cosine,
    /// Times gamma every so many epochs
    Step,
    /// Times gamma at each milestone
    MultiStep,
    /// Up to the full rate, then down far below (Smith 2018, as `OneCycleLR`)
    OneCycle,
}

/// The form of a schedule behind its warm-up.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// The full rate.
    Constant,
    /// Half a cosine from the full rate to 0.
    Cosine,
    /// Times `gamma` at every `every` steps.
    Step {
        /// Steps between two factors.
        every: usize,
        /// The factor.
        gamma: f64,
    },
    /// Times `gamma` at each of `milestones`.
    MultiStep {
        /// Steps, counted from the beginning of the run, warm-up included.
        milestones: Vec<usize>,
        /// The factor.
        gamma: f64,
    },
    /// Up and down.
    OneCycle(OneCycle),
}

/// Half a cosine up and half a cosine down, as `OneCycleLR` of `PyTorch`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycle {
    /// Share of the steps on the way up.
    pub rise: f64,
    /// The first rate is the full one over this.
    pub div: f64,
    /// The last rate is the first one over this.
    pub final_div: f64,
    /// Whether the momentum goes the other way: down to 0.85 and back to 0.95.
    pub momentum: bool,
}

/// Momentum at the highest and at the lowest rate of a cycle, `OneCycleLR`'s defaults.
const CYCLED: (f64, f64) = (0.85, 0.95);

/// A schedule of `total` steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its form.
    pub shape: Shape,
    /// The full learning rate.
    pub lr: f64,
    /// The momentum where it is not cycled.
    pub momentum: f64,
    /// Steps of linear warm-up before the shape begins.
    pub warmup: usize,
    /// Steps of the whole run, warm-up included.
    pub total: usize,
}

impl Schedule {
    /// The same with `steps` more at its beginning.
    pub(crate) fn lengthened(self, steps: usize) -> Self {
        Self { total: self.total + steps, ..self }
    }

    /// The learning rate of `step`, counted from 0.
    pub fn lr(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.lr * (step + 1) as f64 / (self.warmup + 1) as f64;
        }
        let (done, span) = (step - self.warmup, self.span());
        match &self.shape {
            Shape::Constant => self.lr,
            Shape::Cosine => anneal(self.lr, 0.0, done as f64 / span as f64),
            Shape::Step { every, gamma } => self.lr * gamma.powi((done / every.max(&1)) as i32),
            Shape::MultiStep { milestones, gamma } => {
                let passed = milestones.iter().filter(|m| **m <= step).count();
                self.lr * gamma.powi(passed as i32)
            }
            Shape::OneCycle(cycle) => {
                let start = self.lr / cycle.div;
                cycle.at(done, span, [start, self.lr, start / cycle.final_div])
            }
        }
    }

    /// The momentum of `step` (for Adam, its first beta), counted from 0. Warm-up has that of the
    /// shape's first step.
    pub fn momentum(&self, step: usize) -> f64 {
        let (low, high) = CYCLED;
        match &self.shape {
            Shape::OneCycle(cycle) if cycle.momentum => {
                cycle.at(step.saturating_sub(self.warmup), self.span(), [high, low, high])
            }
            _ => self.momentum,
        }
    }

    /// Steps of the shape.
    fn span(&self) -> usize {
        self.total.saturating_sub(self.warmup).max(1)
    }
}

impl OneCycle {
    /// What goes from `start` to `peak` to `end` over `span` steps, after `done` of them.
    fn at(&self, done: usize, span: usize, [start, peak, end]: [f64; 3]) -> f64 {
        let (done, last) = (done as f64, (span - 1).max(1) as f64);
        let top = self.rise * (last + 1.0) - 1.0;
        if done > top {
            anneal(peak, end, (done - top) / (last - top))
        } else {
            anneal(start, peak, if top > 0.0 { done / top } else { 1.0 })
        }
    }
}

/// Half a cosine from `from` (at 0) to `to` (at 1).
fn anneal(from: f64, to: f64, at: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (PI * at).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CYCLE: OneCycle = OneCycle { rise: 0.3, div: 25.0, final_div: 1e4, momentum: true };

    fn schedule(shape: Shape, warmup: usize) -> Schedule {
        Schedule { shape, lr: 0.1, momentum: 0.9, warmup, total: 100 }
    }

    #[track_caller]
    fn check(shape: Shape, warmup: usize, expected: &[(usize, f64)]) {
        let schedule = schedule(shape, warmup);
        for &(step, lr) in expected {
            let found = schedule.lr(step);
            assert!((found - lr).abs() < 1e-9, "{schedule:?} at {step}: {found}, expected {lr}");
        }
    }

    #[test]
    fn shapes() {
        check(Shape::Constant, 0, &[(0, 0.1), (99, 0.1)]);
        check(Shape::Cosine, 0, &[(0, 0.1), (50, 0.05), (100, 0.0)]);
        let step = Shape::Step { every: 30, gamma: 0.1 };
        check(step.clone(), 0, &[(29, 0.1), (30, 0.01), (60, 0.001)]);
        check(step, 9, &[(9, 0.1), (38, 0.1), (39, 0.01)]);
        let milestones = Shape::MultiStep { milestones: vec![50, 20], gamma: 0.1 };
        check(milestones.clone(), 0, &[(19, 0.1), (20, 0.01), (49, 0.01), (50, 0.001)]);
        check(milestones, 9, &[(0, 0.01), (19, 0.1), (20, 0.01)]);
        check(Shape::Cosine, 9, &[(0, 0.01), (8, 0.09), (9, 0.1)]);
    }

    /// Learning rates that `PyTorch`'s `OneCycleLR(max_lr=0.1, total_steps=100)` gives.
    #[test]
    fn one_cycle_is_pytorchs() {
        check(Shape::OneCycle(CYCLE), 0, &[(0, 0.004), (29, 0.1), (99, 4e-7)]);
        let low = OneCycle { rise: 0.5, div: 10.0, final_div: 100.0, momentum: false };
        check(Shape::OneCycle(low), 0, &[(0, 0.01), (49, 0.1), (99, 1e-4)]);
    }

    /// A cycle whose first step is its top, one without a rise and one of a single step.
    #[test]
    fn short_cycles_are_defined() {
        check(Shape::OneCycle(OneCycle { rise: 0.01, ..CYCLE }), 0, &[(0, 0.1), (99, 4e-7)]);
        check(Shape::OneCycle(OneCycle { rise: 0.0, ..CYCLE }), 0, &[(99, 4e-7)]);
        check(Shape::OneCycle(CYCLE), 99, &[(99, 0.081_174_565_394_976_3)]);
    }

    #[test]
    fn momentum_goes_the_other_way() {
        let check = |shape: Shape, warmup, step, expected: f64| {
            let found = schedule(shape, warmup).momentum(step);
            assert!((found - expected).abs() < 1e-12, "{found} at {step}, expected {expected}");
        };
        for (step, expected) in [(0, 0.95), (29, 0.85), (99, 0.95)] {
            check(Shape::OneCycle(CYCLE), 0, step, expected);
            check(Shape::OneCycle(OneCycle { momentum: false, ..CYCLE }), 0, step, 0.9);
            check(Shape::Cosine, 0, step, 0.9);
        }
        check(Shape::OneCycle(CYCLE), 10, 5, 0.95);
    }
}
