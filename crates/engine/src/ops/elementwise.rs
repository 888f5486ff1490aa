//! Activations, sums, averages and layout changes.

use kernels::{Lanes, average, elementwise, pack};

use super::Op;

/// `x = max(x, 0)` in place; no source.
pub(crate) struct Relu;
/// Keeps the gradient where the activation's output (the source) is positive, in place.
pub(crate) struct ReluGrad;
/// `out += source`.
pub(crate) struct Add;
/// Mean over `pixels`; source `x`.
pub(crate) struct AveragePool {
    pub pixels: usize,
}
/// Gradient of the mean; source `dy`.
pub(crate) struct AveragePoolGrad {
    pub pixels: usize,
}
/// Images of `values` each, `(n, values)`, into blocks of sixteen; source the images.
pub(crate) struct Pack {
    pub lanes: Lanes,
    pub values: usize,
}
/// The source as it is.
pub(crate) struct Copy;
/// Every second value of the source from `0` or `1` on.
pub(crate) struct Column(pub usize);

impl Op for Copy {
    const NAME: &'static str = "copy";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        outs[0].copy_from_slice(s[0]);
    }
}

impl Op for Relu {
    const NAME: &'static str = "relu";

    fn cpu(&self, outs: &mut [&mut [f32]], _: &[&[f32]]) {
        elementwise::relu(outs[0]);
    }
}

impl Op for ReluGrad {
    const NAME: &'static str = "relu-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::relu_grad(outs[0], s[0]);
    }
}

impl Op for Add {
    const NAME: &'static str = "add";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        elementwise::add(outs[0], s[0]);
    }
}

impl Op for AveragePool {
    const NAME: &'static str = "average";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        average::forward(s[0], self.pixels, outs[0]);
    }
}

impl Op for AveragePoolGrad {
    const NAME: &'static str = "average-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        average::backward(s[0], self.pixels, outs[0]);
    }
}

impl Op for Pack {
    const NAME: &'static str = "pack";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pack::to_blocks(s[0], self.values, self.lanes, outs[0]);
    }
}

impl Op for Column {
    const NAME: &'static str = "column";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        outs[0].iter_mut().zip(s[0][self.0..].iter().step_by(2)).for_each(|(o, v)| *o = *v);
    }
}
