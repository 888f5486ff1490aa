//! Activations, sums, products and layout changes.
#![cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "channels are for a GPU's kernels"))]

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu};
use kernels::elementwise::{self, Products as Factors};
use kernels::{Activation, Lanes, activation, pack};

use super::Op;

/// The activation of source `x`.
pub(crate) struct Activate(pub Activation);
/// The activation in place; no source.
pub(crate) struct ActivateInPlace(pub Activation);
/// Takes a gradient through it, in place; the source is the activation's output where that suffices
/// ([`Activation::saves_output`]), else its input.
pub(crate) struct ActivationGrad(pub Activation);
/// Multiplies each plane of `pixels` by its value in the source, in place: a plane a channel.
pub(crate) struct Scale {
    pub pixels: usize,
    pub channels: usize,
}
/// Multiplies each plane of `pixels` by its value in the source, in place: a value or an image.
pub(crate) struct Drop {
    pub pixels: usize,
}
/// For each plane of `pixels` the sum of products; sources the two factors.
pub(crate) struct Products {
    pub pixels: usize,
    pub channels: usize,
}
/// `out += source`.
pub(crate) struct Add;
/// The product of both sources.
pub(crate) struct Multiply;
/// Images of `values` each, `(n, values)`, into blocks of sixteen; source the images.
pub(crate) struct Pack {
    pub lanes: Lanes,
    pub values: usize,
}
/// The source as it is.
pub(crate) struct Copy;

impl Op for Copy {
    const NAME: &'static str = "copy";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        outs[0].copy_from_slice(s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.copy(s[0], outs[0])
    }
}

impl Op for Activate {
    const NAME: &'static str = "activation";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::forward(self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.activation(self.0, s[0], outs[0])
    }
}

impl Op for ActivateInPlace {
    const NAME: &'static str = "activation-in-place";

    fn cpu(&self, outs: &mut [&mut [f32]], _: &[&[f32]]) {
        activation::apply(self.0, outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], _: &[&Buffer]) -> artifact::Result<()> {
        gpu.activation_in_place(self.0, outs[0])
    }
}

impl Op for ActivationGrad {
    const NAME: &'static str = "activation-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::backward(self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.activation_grad(self.0, s[0], outs[0])
    }
}

impl Op for Scale {
    const NAME: &'static str = "scale";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::scale(self.pixels, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.scale(outs[0], s[0], self.pixels, self.channels)
    }
}

impl Op for Drop {
    const NAME: &'static str = "drop";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::scale(self.pixels, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.drop_out(outs[0], s[0])
    }
}

impl Op for Products {
    const NAME: &'static str = "products";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::products(Factors { a: s[0], b: s[1], pixels: self.pixels }, outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.products(s[0], s[1], outs[0], self.channels)
    }
}

impl Op for Add {
    const NAME: &'static str = "add";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::add(outs[0], s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.add(outs[0], s[0])
    }
}

impl Op for Multiply {
    const NAME: &'static str = "multiply";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::multiply(s[0], s[1], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.multiply(s[0], s[1], outs[0])
    }
}

impl Op for Pack {
    const NAME: &'static str = "pack";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pack::to_blocks(s[0], self.values, self.lanes, outs[0]);
    }
}
