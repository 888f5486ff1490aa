//! Activations, sums, products, averages and layout changes.
#![cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "channels are for a GPU's kernels"))]

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu};
use kernels::average::Grid;
use kernels::{Lanes, activation, average, elementwise, pack};

use super::Op;

/// `x = max(x, 0)` in place; no source.
pub(crate) struct Relu;
/// Keeps the gradient where the activation's output (the source) is positive, in place.
pub(crate) struct ReluGrad;
/// `x * sigmoid(x)`; source `x`.
pub(crate) struct Silu;
/// Takes a gradient through it, in place; source `x`.
pub(crate) struct SiluGrad;
/// `1 / (1 + exp(-x))`; source `x`.
pub(crate) struct Sigmoid;
/// Takes a gradient through it, in place; source the output.
pub(crate) struct SigmoidGrad;
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
/// Means over a grid; source `x`.
pub(crate) struct AveragePool {
    pub grid: Grid,
    pub channels: usize,
}
/// Gradient of the means; source `dy`.
pub(crate) struct AveragePoolGrad {
    pub grid: Grid,
    pub channels: usize,
}
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

impl Op for Relu {
    const NAME: &'static str = "relu";

    fn cpu(&self, outs: &mut [&mut [f32]], _: &[&[f32]]) {
        activation::relu(outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], _: &[&Buffer]) -> artifact::Result<()> {
        gpu.relu(outs[0])
    }
}

impl Op for ReluGrad {
    const NAME: &'static str = "relu-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::relu_grad(outs[0], s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.relu_grad(outs[0], s[0])
    }
}

impl Op for Silu {
    const NAME: &'static str = "silu";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::silu(s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.silu(s[0], outs[0])
    }
}

impl Op for SiluGrad {
    const NAME: &'static str = "silu-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::silu_grad(outs[0], s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.silu_grad(outs[0], s[0])
    }
}

impl Op for Sigmoid {
    const NAME: &'static str = "sigmoid";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::sigmoid(s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.sigmoid(s[0], outs[0])
    }
}

impl Op for SigmoidGrad {
    const NAME: &'static str = "sigmoid-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        activation::sigmoid_grad(outs[0], s[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.sigmoid_grad(outs[0], s[0])
    }
}

impl Op for Scale {
    const NAME: &'static str = "scale";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::scale(outs[0], s[0], self.pixels);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.scale(outs[0], s[0], self.pixels, self.channels)
    }
}

impl Op for Drop {
    const NAME: &'static str = "drop";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::scale(outs[0], s[0], self.pixels);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.drop_out(outs[0], s[0])
    }
}

impl Op for Products {
    const NAME: &'static str = "products";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::products(s[0], s[1], self.pixels, outs[0]);
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

impl Op for AveragePool {
    const NAME: &'static str = "average";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        match self.grid {
            Grid { h, w, side: 1 } => average::forward(s[0], h * w, outs[0]),
            grid => average::to_grid(grid, s[0], outs[0]),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.average(self.grid, s[0], outs[0], self.channels)
    }
}

impl Op for AveragePoolGrad {
    const NAME: &'static str = "average-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        match self.grid {
            Grid { h, w, side: 1 } => average::backward(s[0], h * w, outs[0]),
            grid => average::to_grid_grad(grid, s[0], outs[0]),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.average_grad(self.grid, s[0], outs[0], self.channels)
    }
}

impl Op for Pack {
    const NAME: &'static str = "pack";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pack::to_blocks(s[0], self.values, self.lanes, outs[0]);
    }
}
