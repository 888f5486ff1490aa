//! The learning rate as a function of the step.

use std::f64::consts::PI;

use serde::Serialize;

/// The values of `--schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// The same rate at every step.
    Constant,
    /// Half a cosine from the full rate to 0.
    Cosine,
    /// Times gamma every so many epochs.
    Step,
    /// Up from 1/25 over 30 % of the steps, then down to 1/250,000 (Smith 2018, as `OneCycleLR`).
    OneCycle,
}

/// A schedule of `total` steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Its shape.
    pub kind: ScheduleKind,
    /// The full learning rate.
    pub lr: f64,
    /// Steps of linear warm-up before the shape begins.
    pub warmup: usize,
    /// Steps of the whole run, warm-up included.
    pub total: usize,
    /// Steps between two factors of `Step`.
    pub every: usize,
    /// The factor of `Step`.
    pub gamma: f64,
}

impl Schedule {
    /// The learning rate of `step`, counted from 0.
    pub fn lr(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.lr * (step + 1) as f64 / (self.warmup + 1) as f64;
        }
        let (done, span) = (step - self.warmup, self.total.saturating_sub(self.warmup).max(1));
        match self.kind {
            ScheduleKind::Constant => self.lr,
            ScheduleKind::Cosine => anneal(self.lr, 0.0, done as f64 / span as f64),
            ScheduleKind::Step => self.lr * self.gamma.powi((done / self.every.max(1)) as i32),
            ScheduleKind::OneCycle => self.one_cycle(done as f64, (span - 1).max(1) as f64),
        }
    }

    fn one_cycle(&self, done: f64, last: f64) -> f64 {
        let (start, end) = (self.lr / 25.0, self.lr / 25.0 / 1e4);
        let peak = 0.3 * (last + 1.0) - 1.0;
        if done <= peak {
            anneal(start, self.lr, done / peak)
        } else {
            anneal(self.lr, end, (done - peak) / (last - peak))
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

    fn check(kind: ScheduleKind, warmup: usize, expected: &[(usize, f64)]) {
        let schedule = Schedule { kind, lr: 0.1, warmup, total: 100, every: 30, gamma: 0.1 };
        for &(step, lr) in expected {
            let found = schedule.lr(step);
            assert!((found - lr).abs() < 1e-9, "{kind:?} at {step}: {found}, expected {lr}");
        }
    }

    #[test]
    fn shapes() {
        check(ScheduleKind::Constant, 0, &[(0, 0.1), (99, 0.1)]);
        check(ScheduleKind::Cosine, 0, &[(0, 0.1), (50, 0.05), (100, 0.0)]);
        check(ScheduleKind::Step, 0, &[(29, 0.1), (30, 0.01), (60, 0.001)]);
        check(ScheduleKind::Cosine, 9, &[(0, 0.01), (8, 0.09), (9, 0.1)]);
    }

    /// Learning rates that `PyTorch`'s `OneCycleLR(max_lr=0.1, total_steps=100)` gives.
    #[test]
    fn one_cycle_is_pytorchs() {
        check(ScheduleKind::OneCycle, 0, &[(0, 0.004), (29, 0.1), (99, 4e-7)]);
    }
}
