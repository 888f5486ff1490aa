//! Convolution and linear layers (a linear layer is a 1x1 convolution of one pixel).

#[cfg(feature = "cuda")]
use cuda::{Buffer, Convolution, Gpu};
use kernels::conv::grouped::{self, Grouped};
use kernels::conv::{self, Dense, Epilogue, Sparse};

use super::Op;
use crate::{Tensor, choice};

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

/// Weights arranged to be read many times.
pub(crate) enum Ready {
    /// All of them.
    Dense(Dense),
    /// Those that are not zero.
    Sparse(Sparse),
    /// Those of a convolution in groups, as they are.
    Grouped(Grouped, Vec<f32>),
    /// Those that lie on a GPU.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "there is none"))]
    OnGpu(Option<Grouped>, Tensor),
}

/// What follows an inference's convolution.
#[derive(Clone, Copy)]
pub(crate) struct ConvTail {
    /// Whether something is added.
    pub add: bool,
    /// Whether an activation follows.
    pub relu: bool,
}

/// A convolution of inference; sources `x, bias` and the summand if there is one.
pub(crate) struct ReadyConv<'a> {
    pub conv: conv::Conv,
    pub ready: &'a Ready,
    pub tail: ConvTail,
}

impl Ready {
    /// Arranges `weight` in the way that is faster.
    pub(crate) fn new(conv: &conv::Conv, weight: &[f32]) -> Self {
        let count = weight.iter().filter(|w| **w != 0.0).count();
        if !choice::inference(conv, count as f64 / weight.len() as f64) {
            return Self::Dense(Dense::new(conv, weight));
        }
        Self::Sparse(Sparse::inference(conv, weight))
    }
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
        s.get(2).map_or(Ok(()), |bias| gpu.epilogue(outs[0], bias, None, false))
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
        s.get(2).map_or(Ok(()), |bias| gpu.epilogue(outs[0], bias, None, false))
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

impl Op for ReadyConv<'_> {
    const NAME: &'static str = "inference-conv";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        let add = if self.tail.add { s[2] } else { &[] };
        let end = Epilogue { bias: s[1], add, relu: self.tail.relu };
        match self.ready {
            Ready::Dense(dense) => dense.forward(&self.conv, s[0], &end, outs[0]),
            Ready::Sparse(sparse) => sparse.forward(&self.conv, s[0], &end, outs[0]),
            Ready::Grouped(grouped, weight) => {
                let each = conv::Conv { lanes: self.conv.lanes, ..grouped.each };
                let grouped = Grouped { each, ..*grouped };
                grouped::forward(&grouped, s[0], weight, &end, outs[0]);
            }
            Ready::OnGpu(..) => unreachable!("arranged for another device"),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        let Ready::OnGpu(grouped, weight) = self.ready else {
            unreachable!("arranged for another device")
        };
        let v = match grouped {
            Some(grouped) => {
                let each = conv::Conv { lanes: self.conv.lanes, ..grouped.each };
                Convolution::grouped(&Grouped { each, ..*grouped })
            }
            None => plain(&self.conv, s[0]),
        };
        gpu.conv(&v, s[0], weight.buffer(), outs[0])?;
        gpu.epilogue(outs[0], s[1], s.get(2).copied(), self.tail.relu)
    }
}

/// The sizes on a GPU, where the input `x` may have more channels than are real.
#[cfg(feature = "cuda")]
fn plain(conv: &conv::Conv, x: &Buffer) -> Convolution {
    Convolution::plain(conv, x.len() / (conv.lanes.images() * conv.h * conv.w))
}
