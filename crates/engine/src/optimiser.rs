//! The optimiser: its state beside the parameters, bound by the masks.

use candle_core::{Result, Tensor};
use sparsity::Masks;

use crate::Net;
use crate::ops::{Step, apply_all};

pub use kernels::optimiser::Sgd;

/// Stochastic gradient descent with momentum. Masked weights and their velocity stay at zero.
pub struct Optimiser {
    velocity: Vec<Tensor>,
    masks: Vec<Option<Tensor>>,
}

impl Optimiser {
    /// A fresh optimiser of `net` under `masks`.
    pub fn new(net: &Net, masks: &Masks) -> Result<Self> {
        let velocity = net.values().iter().map(Tensor::zeros_like).collect::<Result<_>>()?;
        let of = |(p, v): (&graph::Param, &Tensor)| -> Result<Option<Tensor>> {
            let Some(mask) = masks.get(&p.name) else { return Ok(None) };
            let kept: Vec<f32> = mask.kept().iter().map(|k| f32::from(u8::from(*k))).collect();
            Tensor::from_vec(kept, v.shape(), net.device()).map(Some)
        };
        let masks =
            net.graph().params().iter().zip(net.values()).map(of).collect::<Result<Vec<_>>>()?;
        Ok(Self { velocity, masks })
    }

    /// The velocity of each parameter (zero for running statistics).
    pub fn velocity(&self) -> &[Tensor] {
        &self.velocity
    }

    /// Takes over the velocities of an interrupted run.
    pub fn restore(&mut self, velocity: Vec<Tensor>) {
        self.velocity = velocity;
    }

    /// One step along `grads`, which are in the order of the parameter table.
    pub fn step(&mut self, net: &Net, grads: &[Option<Tensor>], sgd: Sgd) -> Result<()> {
        for (i, grad) in grads.iter().enumerate() {
            let Some(grad) = grad else { continue };
            let (weight, velocity) = (&net.values()[i], &self.velocity[i]);
            let mask = self.masks[i].as_ref();
            let sources: Vec<&Tensor> = [grad].into_iter().chain(mask).collect();
            apply_all(&Step(sgd), &[weight, velocity], &sources)?;
        }
        Ok(())
    }
}
