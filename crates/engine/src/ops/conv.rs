//! Convolution and linear layers (a linear layer is a 1x1 convolution of one pixel).

use kernels::conv;

use super::Op;

/// `y = conv(x, weight)`; sources `x, weight`.
pub(crate) struct Conv(pub conv::Conv);
/// `y = conv(x, weight) + bias`; sources `x, weight, bias`.
pub(crate) struct ConvBias(pub conv::Conv);
/// Gradient of the input; sources `dy, weight`.
pub(crate) struct InputGrad(pub conv::Conv);
/// Gradient of the weight; sources `dy, x`.
pub(crate) struct WeightGrad(pub conv::Conv);
/// Gradient of the bias; source `dy`.
pub(crate) struct BiasGrad(pub conv::Conv);

impl Op for Conv {
    const NAME: &'static str = "conv";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        conv::forward(&self.0, s[0], s[1], &[], out);
    }
}

impl Op for ConvBias {
    const NAME: &'static str = "conv-bias";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        conv::forward(&self.0, s[0], s[1], s[2], out);
    }
}

impl Op for InputGrad {
    const NAME: &'static str = "conv-input-grad";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        conv::input_grad(&self.0, s[0], s[1], out);
    }
}

impl Op for WeightGrad {
    const NAME: &'static str = "conv-weight-grad";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        conv::weight_grad(&self.0, s[0], s[1], out);
    }
}

impl Op for BiasGrad {
    const NAME: &'static str = "conv-bias-grad";

    fn cpu(&self, out: &mut [f32], s: &[&[f32]]) {
        conv::bias_grad(&self.0, s[0], out);
    }
}
