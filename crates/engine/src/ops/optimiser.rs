//! A step of stochastic gradient descent.

use kernels::optimiser::{self, Sgd};

use super::Op;

/// Updates weight and velocity, the destinations; sources `grad` and, where there is one, `mask`.
pub(crate) struct Step(pub Sgd);

impl Op for Step {
    const NAME: &'static str = "sgd";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let [weight, velocity] = outs else { unreachable!("two destinations") };
        optimiser::sgd(self.0, weight, velocity, s[0], s.get(1).copied().unwrap_or_default());
    }
}
