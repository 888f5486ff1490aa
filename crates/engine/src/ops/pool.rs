//! Max pooling.
#![cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "channels are for a GPU's kernels"))]

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu};
use kernels::pool::{self, Pooling};

use super::Op;

/// Maximum of each window; source `x`.
pub(crate) struct MaxPool {
    pub pooling: Pooling,
    pub channels: usize,
}
/// Gradient of the input; sources `x, dy`.
pub(crate) struct MaxPoolGrad {
    pub pooling: Pooling,
    pub channels: usize,
}

impl Op for MaxPool {
    const NAME: &'static str = "max-pool";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::forward(self.pooling, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.max_pool(self.pooling, s[0], outs[0], self.channels)
    }
}

impl Op for MaxPoolGrad {
    const NAME: &'static str = "max-pool-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::backward(self.pooling, s[0], s[1], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.max_pool_grad(self.pooling, (s[0], s[1]), outs[0], self.channels)
    }
}
