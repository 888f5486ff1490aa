//! Steps of the optimisers, and what is done to gradients before them.

use kernels::clip;
use kernels::optimiser::{self, Adam, Sgd};

use super::Op;

/// Updates weight and velocity, the destinations; sources `grad` and, where there is one, `mask`.
pub(crate) struct SgdStep(pub Sgd);

/// Updates weight, mean and square, the destinations; sources as of [`SgdStep`].
pub(crate) struct AdamStep(pub Adam);

/// Puts the values of the destination between this and its negative.
pub(crate) struct Clamp(pub f32);

/// Multiplies the destination by this.
pub(crate) struct Rescale(pub f32);

/// The norm, one value, of the first source; the second, if there is one, is its mask.
pub(crate) struct Norm;

/// Moves the destination, an average, towards the source.
pub(crate) struct Average {
    pub decay: f32,
}

impl Op for SgdStep {
    const NAME: &'static str = "sgd";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let [weight, velocity] = outs else { unreachable!("two destinations") };
        optimiser::sgd(self.0, weight, velocity, s[0], mask(s));
    }
}

impl Op for AdamStep {
    const NAME: &'static str = "adam";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let [weight, mean, square] = outs else { unreachable!("three destinations") };
        optimiser::adam(self.0, weight, (mean, square), s[0], mask(s));
    }
}

impl Op for Clamp {
    const NAME: &'static str = "clamp";

    fn cpu(&self, outs: &mut [&mut [f32]], _: &[&[f32]]) {
        clip::by_value(outs[0], self.0);
    }
}

impl Op for Rescale {
    const NAME: &'static str = "rescale";

    fn cpu(&self, outs: &mut [&mut [f32]], _: &[&[f32]]) {
        clip::scale(outs[0], self.0);
    }
}

impl Op for Norm {
    const NAME: &'static str = "norm";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        outs[0][0] = clip::norm(s[0], mask(s)) as f32;
    }
}

impl Op for Average {
    const NAME: &'static str = "moving-average";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        optimiser::average(outs[0], s[0], self.decay);
    }
}

/// The second source, if there is one: an empty mask keeps every weight.
fn mask<'a>(sources: &[&'a [f32]]) -> &'a [f32] {
    sources.get(1).copied().unwrap_or_default()
}
