//! Convolution and linear layers (a linear layer is a 1x1 convolution of one pixel).

#[cfg(feature = "cuda")]
use cuda::{Buffer, Convolution, Gpu};
use kernels::conv::grouped::{self, Grouped};
use kernels::conv::{self, Epilogue, Sparse};

use super::Op;

/// `y = conv(x, weight)`; sources `x, weight` and the bias if there is one.
pub(crate) struct Conv(pub conv::Conv);
/// Gradient of the input; sources `dy, weight`.
pub(crate) struct InputGrad(pub conv::Conv);
/// Gradient of the weight; sources `dy, x`.
pub(crate) struct WeightGrad(pub conv::Conv);
/// Gradient of the bias; source `dy`.
pub(crate) struct BiasGrad(pub conv::Conv);

/// As [`Conv`] in groups.
pub(crate) struct GroupedConv(pub Grouped);
/// As [`InputGrad`] in groups.
pub(crate) struct GroupedInputGrad(pub Grouped);
/// As [`WeightGrad`] in groups.
pub(crate) struct GroupedWeightGrad(pub Grouped);

/// As [`Conv`] with the kept weights alone; sources `x` and the bias if there is one.
pub(crate) struct SparseConv<'a> {
    pub conv: conv::Conv,
    pub sparse: &'a Sparse,
}
/// As [`InputGrad`] with the kept weights alone; source `dy`.
pub(crate) struct SparseInputGrad<'a> {
    pub conv: conv::Conv,
    pub sparse: &'a Sparse,
}
/// As [`WeightGrad`] for the kept weights alone; sources `dy, x`.
pub(crate) struct SparseWeightGrad<'a> {
    pub conv: conv::Conv,
    pub sparse: &'a Sparse,
}

impl Op for Conv {
    const NAME: &'static str = "conv";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        conv::forward(&self.0, s[0], s[1], s.get(2).copied().unwrap_or_default(), outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let v = plain(&self.0, s[0]);
        gpu.conv(&v, s[0], s[1], outs[0])?;
        s.get(2).map_or(Ok(()), |bias| gpu.add_bias(outs[0], bias))
    }
}

impl Op for InputGrad {
    const NAME: &'static str = "conv-input-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        conv::input_grad(&self.0, s[0], s[1], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.conv_input_grad(&plain(&self.0, outs[0]), s[0], s[1], outs[0])
    }
}

impl Op for WeightGrad {
    const NAME: &'static str = "conv-weight-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        conv::weight_grad(&self.0, s[0], s[1], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.conv_weight_grad(&plain(&self.0, s[1]), s[0], s[1], outs[0])
    }
}

impl Op for BiasGrad {
    const NAME: &'static str = "conv-bias-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        conv::bias_grad(&self.0, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.bias_grad(s[0], outs[0])
    }
}

impl Op for GroupedConv {
    const NAME: &'static str = "grouped-conv";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let bias = s.get(2).copied().unwrap_or_default();
        grouped::forward(&self.0, s[0], s[1], &Epilogue { bias, ..Epilogue::default() }, outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let v = Convolution::grouped(&self.0);
        gpu.conv(&v, s[0], s[1], outs[0])?;
        s.get(2).map_or(Ok(()), |bias| gpu.add_bias(outs[0], bias))
    }
}

impl Op for GroupedInputGrad {
    const NAME: &'static str = "grouped-input-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        grouped::input_grad(&self.0, s[0], s[1], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.conv_input_grad(&Convolution::grouped(&self.0), s[0], s[1], outs[0])
    }
}

impl Op for GroupedWeightGrad {
    const NAME: &'static str = "grouped-weight-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        grouped::weight_grad(&self.0, s[0], s[1], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.conv_weight_grad(&Convolution::grouped(&self.0), s[0], s[1], outs[0])
    }
}

impl Op for SparseConv<'_> {
    const NAME: &'static str = "sparse-conv";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let bias = s.get(1).copied().unwrap_or_default();
        let end = Epilogue { bias, ..Epilogue::default() };
        self.sparse.forward(&self.conv, s[0], &end, outs[0]);
    }
}

impl Op for SparseInputGrad<'_> {
    const NAME: &'static str = "sparse-input-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        self.sparse.input_grad(&self.conv, s[0], outs[0]);
    }
}

impl Op for SparseWeightGrad<'_> {
    const NAME: &'static str = "sparse-weight-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        self.sparse.weight_grad(&self.conv, s[0], s[1], outs[0]);
    }
}

/// The sizes on a GPU, where the input `x` may have more channels than are real.
#[cfg(feature = "cuda")]
fn plain(conv: &conv::Conv, x: &Buffer) -> Convolution {
    Convolution::plain(conv, x.len() / (conv.lanes.images() * conv.h * conv.w))
}
