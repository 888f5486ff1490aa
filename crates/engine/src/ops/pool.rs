//! Poolings.
#![cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "channels are for a GPU's kernels"))]

#[cfg(feature = "cuda")]
use cuda::{Buffer, Gpu};
use kernels::pool::{self, Average, MaxSaved, Pooling};

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
/// Mean of each window; source `x`.
pub(crate) struct AveragePool {
    pub average: Average,
    pub channels: usize,
}
/// Gradient of the means; source `dy`.
pub(crate) struct AveragePoolGrad {
    pub average: Average,
    pub channels: usize,
}

impl Op for MaxPool {
    const NAME: &'static str = "max-pool";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::max(&self.pooling, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.max_pool(self.pooling, s[0], outs[0], self.channels)
    }
}

impl Op for MaxPoolGrad {
    const NAME: &'static str = "max-pool-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::max_backward(&self.pooling, MaxSaved { x: s[0], dy: s[1] }, outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.max_pool_grad(self.pooling, (s[0], s[1]), outs[0], self.channels)
    }
}

impl Op for AveragePool {
    const NAME: &'static str = "average";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::average(&self.average, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.average(self.average, s[0], outs[0], self.channels)
    }
}

impl Op for AveragePoolGrad {
    const NAME: &'static str = "average-grad";

    fn cpu(&self, outs: &mut [&mut [f32]], s: &[&[f32]]) {
        pool::average_backward(&self.average, s[0], outs[0]);
    }

    #[cfg(feature = "cuda")]
    fn cuda(&self, gpu: &Gpu, outs: &[&Buffer], s: &[&Buffer]) -> artifact::Result<()> {
        gpu.average_grad(self.average, s[0], outs[0], self.channels)
    }
}
