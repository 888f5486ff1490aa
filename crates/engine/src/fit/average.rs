//! The exponential moving average of a network's values.

use anyhow::Result;
use artifact::tensors::Tensors;

use crate::ops::{Average as Move, apply};
use crate::{Device, Net, Tensor};

/// Averages of all parameters and running statistics.
pub(crate) struct Average {
    decay: f64,
    values: Vec<Tensor>,
    /// The table of all of them on a GPU.
    #[cfg(feature = "cuda")]
    fused: cuda::Fused,
}

impl Average {
    /// One that starts at the values of `net`; none with `decay` 0.
    pub(crate) fn new(net: &Net, decay: f64) -> Result<Option<Self>> {
        if decay == 0.0 {
            return Ok(None);
        }
        let values = net.values().iter().map(Tensor::copy).collect::<Result<_>>()?;
        Ok(Some(Self {
            decay,
            values,
            #[cfg(feature = "cuda")]
            fused: cuda::Fused::default(),
        }))
    }

    /// Follows the values of `net` after step number `number`, counted from 1. The first steps
    /// count more, so that the start is soon forgotten.
    pub(crate) fn follow(&mut self, net: &Net, number: usize) -> Result<()> {
        let decay = self.decay.min((1.0 + number as f64) / (10.0 + number as f64));
        let (mut each, decay) = (self.values.iter().zip(net.values()), decay as f32);
        match net.device() {
            Device::Cpu => each.try_for_each(|(a, v)| apply(&Move { decay }, a, &[v])),
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => {
                let all: Vec<cuda::Parameter> = each
                    .map(|(average, value)| {
                        let (average, weight) = (Some(average.buffer()), value.buffer());
                        let (states, row) = ([average, None], weight.len());
                        cuda::Parameter { weight, states, grad: None, mask: None, copy: None, row }
                    })
                    .collect();
                Ok(self.fused.follow(gpu, &all, decay)?)
            }
        }
    }

    /// The averages as a checkpoint holds them.
    pub(crate) fn tensors(&self, net: &Net) -> Result<Tensors> {
        net.export(&self.values)
    }

    /// Takes over the averages of an interrupted run.
    pub(crate) fn restore(&mut self, net: &Net, saved: &Tensors) -> Result<()> {
        let saved = Net::load(net.graph().clone(), saved, net.device())?;
        self.values = saved.values().to_vec();
        Ok(())
    }
}
