//! Batch normalisation with the sum and activation behind it. `stats` are interleaved a channel:
//! (mean, variance).

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu, NormParams};
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

/// With the batch's statistics, which move the running ones by `momentum`; destinations `y, stats`,
/// running mean and variance; sources `x, weight, bias` and the summand if there is one.
pub(crate) struct NormForward {
    pub plane: Plane,
    pub eps: f32,
    pub momentum: f32,
    pub tail: NormTail,
}
/// With given statistics; sources `x, stats, weight, bias` and the summand if there is one.
pub(crate) struct NormApply {
    pub plane: Plane,
    pub eps: f32,
    pub tail: NormTail,
}
/// The way back; destinations `dy` in place, gradients of weight and bias and, where there was a
/// summand, `dx`; sources `x, stats, weight, bias` and, where there was a summand, `y`.
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
        let [y, stats, mean, variance] = outs else { unreachable!("four destinations") };
        let affine = Affine { weight: s[1], bias: s[2], eps: self.eps };
        norm::forward(self.plane, affine, self.tail.with(s, 3), s[0], (stats, y));
        for (part, running) in [mean, variance].into_iter().enumerate() {
            norm::update_running(self.plane, self.momentum, stats, part, running);
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let norm = size(self.plane, self.eps, self.tail);
        let [y, stats, mean, variance] = outs else { unreachable!("four destinations") };
        gpu.norm_stats(norm, (s[0], stats), (mean, variance), self.momentum)?;
        let params = NormParams { weight: s[1], bias: s[2] };
        gpu.norm_apply(norm, (s[0], stats), params, (s.get(3).copied(), y))
    }
}

impl Op for NormApply {
    const NAME: &'static str = "norm-apply";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let affine = Affine { weight: s[2], bias: s[3], eps: self.eps };
        norm::apply(self.plane, affine, self.tail.with(s, 4), (s[1], s[0]), outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let norm = size(self.plane, self.eps, self.tail);
        let params = NormParams { weight: s[2], bias: s[3] };
        gpu.norm_apply(norm, (s[0], s[1]), params, (s.get(4).copied(), outs[0]))
    }
}

impl Op for NormGrad {
    const NAME: &'static str = "norm-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let affine = Affine { weight: s[2], bias: s[3], eps: self.eps };
        let y = if self.tail.add { s[4] } else { &[] };
        let saved = Saved { x: s[0], stats: s[1], y, relu: self.tail.relu };
        let (plane, none) = (self.plane, &mut [][..]);
        let mut sums = vec![0.0; 2 * plane.channels];
        let (dweight, dbias) = match outs {
            [dy, dweight, dbias] => {
                norm::backward(plane, affine, saved, (dy, none), &mut sums);
                (dweight, dbias)
            }
            [dy, dweight, dbias, dx] => {
                norm::backward(plane, affine, saved, (dy, dx), &mut sums);
                (dweight, dbias)
            }
            _ => unreachable!("three or four destinations"),
        };
        for (c, [plain, scaled]) in sums.as_chunks().0.iter().enumerate() {
            (dbias[c], dweight[c]) = (*plain, *scaled);
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let norm = size(self.plane, self.eps, self.tail);
        let params = NormParams { weight: s[2], bias: s[3] };
        let dparams = NormParams { weight: outs[1], bias: outs[2] };
        let dy = (outs[0], s.get(4).copied(), outs.get(3).copied());
        gpu.norm_grad(norm, dy, (s[0], s[1]), (params, dparams))
    }
}

#[cfg(feature = "cuda")]
fn size(plane: Plane, eps: f32, tail: NormTail) -> cuda::Norm {
    cuda::Norm { channels: plane.channels, eps, relu: tail.relu }
}
