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
/// Every second value of the source from `0` or `1` on.
pub(crate) struct Column(pub usize);

impl Op for Relu {
    const NAME: &'static str = "relu";

    fn cpu(&self, out: &mut [f32], _: &[&[f32]]) {
        elementwise::relu(out);
    }
}

impl Op for ReluGrad {
    const NAME: &'static str = "relu-grad";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        elementwise::relu_grad(out, s[0]);
    }
}

impl Op for Add {
    const NAME: &'static str = "add";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        elementwise::add(out, s[0]);
    }
}

impl Op for AveragePool {
    const NAME: &'static str = "average";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        average::forward(s[0], self.pixels, out);
    }
}

impl Op for AveragePoolGrad {
    const NAME: &'static str = "average-grad";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        average::backward(s[0], self.pixels, out);
    }
}

impl Op for Pack {
    const NAME: &'static str = "pack";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        pack::to_blocks(s[0], self.values, self.lanes, out);
    }
}

impl Op for Column {
    const NAME: &'static str = "column";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        out.iter_mut().zip(s[0][self.0..].iter().step_by(2)).for_each(|(o, v)| *o = *v);
    }
}
