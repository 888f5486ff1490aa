//! Batch normalisation. `stats` and `sums` are interleaved a channel: (mean, variance) and
//! (gradient of the bias, gradient of the weight).

use kernels::norm::{self, Affine, Plane};

use super::Op;

/// Batch statistics; source `x`.
pub(crate) struct Statistics(pub Plane);
/// Normalises; sources `x, stats, weight, bias`.
pub(crate) struct Norm {
    pub plane: Plane,
    pub eps: f32,
}
/// Moves a running statistic towards the batch's; source `stats`; part 0 is the mean, 1 the variance.
pub(crate) struct RunningUpdate {
    pub plane: Plane,
    pub momentum: f32,
    pub part: usize,
}
/// Gradients of bias and weight; sources `x, dy, stats, weight`.
pub(crate) struct NormGradSums {
    pub plane: Plane,
    pub eps: f32,
}
/// Gradient of the input, over that of the output in place; sources `x, sums, stats, weight`.
pub(crate) struct NormGrad {
    pub plane: Plane,
    pub eps: f32,
}

impl Op for Statistics {
    const NAME: &'static str = "norm-statistics";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        norm::statistics(self.0, s[0], out);
    }
}

impl Op for Norm {
    const NAME: &'static str = "norm";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        let affine = Affine { stats: s[1], weight: s[2], bias: s[3], eps: self.eps };
        norm::apply(self.plane, affine, s[0], out);
    }
}

impl Op for RunningUpdate {
    const NAME: &'static str = "norm-running";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        norm::update_running(self.plane, self.momentum, s[0], self.part, out);
    }
}

impl Op for NormGradSums {
    const NAME: &'static str = "norm-grad-sums";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        let affine = Affine { stats: s[2], weight: s[3], bias: &[], eps: self.eps };
        norm::gradient_sums(self.plane, affine, (s[0], s[1]), out);
    }
}

impl Op for NormGrad {
    const NAME: &'static str = "norm-grad";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        let affine = Affine { stats: s[2], weight: s[3], bias: &[], eps: self.eps };
        norm::backward(self.plane, affine, (s[0], s[1]), out);
    }
}
