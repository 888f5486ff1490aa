//! The two halves of a step of stochastic gradient descent.

use kernels::optimiser::{self, Sgd};

use super::Op;

/// Updates the velocity in place; sources `grad, weight` and, where there is one, `mask`.
pub(crate) struct Velocity(pub Sgd);
/// Updates the weight in place; sources `velocity, grad` and, where there is one, `mask`.
pub(crate) struct Step(pub Sgd);

impl Op for Velocity {
    const NAME: &'static str = "sgd-velocity";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        optimiser::velocity(self.0, out, s[0], s[1], s.get(2).copied().unwrap_or_default());
    }
}

impl Op for Step {
    const NAME: &'static str = "sgd-step";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        optimiser::step(self.0, out, s[0], s[1], s.get(2).copied().unwrap_or_default());
    }
}
