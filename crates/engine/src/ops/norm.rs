//! Batch normalisation with the sum and activation behind it. `stats` and `sums` are interleaved a
//! channel: (mean, variance) and (gradient of the bias, gradient of the weight).

use kernels::norm::{self, Affine, Plane, Saved, Tail};

use super::Op;

/// What follows a norm.
#[derive(Clone, Copy)]
pub(crate) struct NormTail {
    /// Whether something is added.
    pub add: bool,
    /// Whether an activation follows.
    pub relu: bool,
}

/// With the batch's statistics; destinations `y, stats`; sources `x, weight, bias` and the summand
/// if there is one.
pub(crate) struct NormForward {
    pub plane: Plane,
    pub eps: f32,
    pub tail: NormTail,
}
/// With given statistics; sources `x, stats, weight, bias` and the summand if there is one.
pub(crate) struct NormApply {
    pub plane: Plane,
    pub eps: f32,
    pub tail: NormTail,
}
/// Moves a running statistic towards the batch's; source `stats`; part 0 is the mean, 1 the variance.
pub(crate) struct RunningUpdate {
    pub plane: Plane,
    pub momentum: f32,
    pub part: usize,
}
/// The way back; destinations `dy` in place, `sums` and, where there was a summand, `dx`; sources
/// `x, stats, weight, bias` and, where there was a summand, `y`.
pub(crate) struct NormGrad {
    pub plane: Plane,
    pub eps: f32,
    pub tail: NormTail,
}

impl NormTail {
    fn with<'a>(self, sources: &[&'a [f32]], k: usize) -> Tail<'a> {
        Tail { add: if self.add { sources[k] } else { &[] }, relu: self.relu }
    }
}

impl Op for NormForward {
    const NAME: &'static str = "norm";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let [y, stats] = outs else { unreachable!("two destinations") };
        let affine = Affine { weight: s[1], bias: s[2], eps: self.eps };
        norm::forward(self.plane, affine, self.tail.with(s, 3), s[0], (stats, y));
    }
}

impl Op for NormApply {
    const NAME: &'static str = "norm-apply";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let affine = Affine { weight: s[2], bias: s[3], eps: self.eps };
        norm::apply(self.plane, affine, self.tail.with(s, 4), (s[1], s[0]), outs[0]);
    }
}

impl Op for RunningUpdate {
    const NAME: &'static str = "norm-running";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        norm::update_running(self.plane, self.momentum, s[0], self.part, outs[0]);
    }
}

impl Op for NormGrad {
    const NAME: &'static str = "norm-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let affine = Affine { weight: s[2], bias: s[3], eps: self.eps };
        let y = if self.tail.add { s[4] } else { &[] };
        let saved = Saved { x: s[0], stats: s[1], y, relu: self.tail.relu };
        let (plane, none) = (self.plane, &mut [][..]);
        match outs {
            [dy, sums] => norm::backward(plane, affine, saved, (dy, none), sums),
            [dy, sums, dx] => norm::backward(plane, affine, saved, (dy, dx), sums),
            _ => unreachable!("two or three destinations"),
        }
    }
}
