//! The exponential moving average of a network's values.

use anyhow::Result;
use artifact::tensors::Tensors;
use candle_core::Tensor;

use crate::Net;
use crate::net::export;
use crate::ops::{Average as Move, apply};

/// Averages of all parameters and running statistics.
pub(super) struct Average {
    decay: f64,
    values: Vec<Tensor>,
}

impl Average {
    /// One that starts at the values of `net`; none with `decay` 0.
    pub(super) fn new(net: &Net, decay: f64) -> Result<Option<Self>> {
        if decay == 0.0 {
            return Ok(None);
        }
        let values = net.values().iter().map(Tensor::copy).collect::<candle_core::Result<_>>()?;
        Ok(Some(Self { decay, values }))
    }

    /// Follows the values of `net` after step number `number`, counted from 1. The first steps
    /// count more, so that the start is soon forgotten.
    pub(super) fn follow(&mut self, net: &Net, number: usize) -> Result<()> {
        let decay = self.decay.min((1.0 + number as f64) / (10.0 + number as f64));
        for (average, value) in self.values.iter().zip(net.values()) {
            apply(&Move { decay: decay as f32 }, average, &[value])?;
        }
        Ok(())
    }

    /// The averages as a checkpoint holds them.
    pub(super) fn tensors(&self, net: &Net) -> Result<Tensors> {
        Ok(export(net.graph(), &self.values)?)
    }

    /// Takes over the averages of an interrupted run.
    pub(super) fn restore(&mut self, net: &Net, saved: &Tensors) -> Result<()> {
        let saved = Net::load(net.graph().clone(), saved, net.device())?;
        self.values = saved.values().to_vec();
        Ok(())
    }
}
