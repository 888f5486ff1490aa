//! Batch normalisation with the sum and activation behind it, and layer normalisation. `stats` are
//! interleaved a channel: (mean, variance).

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu, NormParams};
use kernels::Activation;
use kernels::norm::layer::LayerNorm;
use kernels::norm::{self, Affine, Gradients, Norm, Plane, Saved, Tail};

use super::Op;

/// What follows a norm.
#[derive(Clone, Copy)]
pub(crate) struct NormTail {
    /// Whether something is added.
    pub add: bool,
    /// The activation behind that.
    pub activation: Option<Activation>,
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
/// The backward pass; destinations `dy` in place, gradients of weight and bias and, where there was a
/// summand, `dx`; sources `x, stats, weight, bias` and, where there was a summand, `y`.
pub(crate) struct NormGrad {
    pub plane: Plane,
    pub eps: f32,
    pub tail: NormTail,
}

impl NormTail {
    fn with<'a>(self, sources: &[&'a [f32]], k: usize) -> Tail<'a> {
        Tail { add: if self.add { sources[k] } else { &[] }, activation: self.activation }
    }
}

impl Op for NormForward {
    const NAME: &'static str = "norm";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let [y, stats, mean, variance] = outs else { unreachable!("four destinations") };
        let affine = Affine { weight: s[1], bias: s[2], eps: self.eps };
        Norm { plane: self.plane, affine, tail: self.tail.with(s, 3) }.forward(s[0], stats, y);
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
        Norm { plane: self.plane, affine, tail: self.tail.with(s, 4) }.apply(s[0], s[1], outs[0]);
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
        let saved = Saved { x: s[0], stats: s[1], y, activation: self.tail.activation };
        let mut sums = vec![0.0; 2 * self.plane.channels];
        let [dy, dweight, dbias, rest @ ..] = outs else {
            unreachable!("three or four destinations")
        };
        let dx = rest.first_mut().map_or(&mut [][..], |dx| &mut **dx);
        norm::backward(self.plane, affine, saved, Gradients { dy, dx, sums: &mut sums });
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
    cuda::Norm { channels: plane.channels, eps, activation: tail.activation }
}

/// Normalisation over the channels of each pixel; sources `x`, and weight and bias where there are any.
pub(crate) struct LayerNormForward {
    pub plane: Plane,
    pub eps: f32,
}
/// Its backward pass; destinations `dy` in place, and gradients of weight and bias where there are any;
/// sources as of [`LayerNormForward`].
pub(crate) struct LayerNormGrad {
    pub plane: Plane,
    pub eps: f32,
}

/// The layer norm of `sources`.
fn layer_norm<'a>(plane: Plane, eps: f32, sources: &[&'a [f32]]) -> LayerNorm<'a> {
    let of = |k: usize| sources.get(k).copied().unwrap_or_default();
    LayerNorm { plane, affine: Affine { weight: of(1), bias: of(2), eps } }
}

impl Op for LayerNormForward {
    const NAME: &'static str = "layer-norm";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        layer_norm(self.plane, self.eps, s).forward(s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let norm = on_gpu(self.plane, self.eps, s);
        gpu.layer_norm(&norm, s[0], outs[0])
    }
}

impl Op for LayerNormGrad {
    const NAME: &'static str = "layer-norm-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let norm = layer_norm(self.plane, self.eps, s);
        let [dy, rest @ ..] = outs else { unreachable!("a gradient") };
        let mut sums = vec![0.0; if rest.is_empty() { 0 } else { 2 * self.plane.channels }];
        norm.backward(s[0], dy, &mut sums);
        if let [dweight, dbias] = rest {
            for (c, [plain, scaled]) in sums.as_chunks().0.iter().enumerate() {
                (dbias[c], dweight[c]) = (*plain, *scaled);
            }
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let grads = both(&outs[1..]);
        gpu.layer_norm_grad(&on_gpu(self.plane, self.eps, s), s[0], outs[0], grads)
    }
}

/// The layer norm of `sources`.
#[cfg(feature = "cuda")]
fn on_gpu<'a>(plane: Plane, eps: f32, sources: &[&'a Buffer]) -> cuda::LayerNorm<'a> {
    cuda::LayerNorm { channels: plane.channels, eps, params: both(&sources[1..]) }
}

/// Scale and shift, or their gradients, if there are any.
#[cfg(feature = "cuda")]
fn both<'a>(all: &[&'a Buffer]) -> Option<NormParams<'a>> {
    let [weight, bias] = *all else { return None };
    Some(NormParams { weight, bias })
}
