//! Max pooling.

use kernels::pool::{self, Pooling};

use super::Op;

/// Maximum of each window; source `x`.
pub(crate) struct MaxPool(pub Pooling);
/// Gradient of the input; sources `x, dy`.
pub(crate) struct MaxPoolGrad(pub Pooling);

impl Op for MaxPool {
    const NAME: &'static str = "max-pool";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::forward(self.0, s[0], outs[0]);
    }
}

impl Op for MaxPoolGrad {
    const NAME: &'static str = "max-pool-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::backward(self.0, s[0], s[1], outs[0]);
    }
}
