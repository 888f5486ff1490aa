//! The optimiser: its state beside the parameters, bound by the masks.

use std::path::Path;

use anyhow::{Result, bail};
use artifact::tensors::{self, Tensors};
use graph::Param;
use serde::Serialize;
use sparsity::Masks;

use crate::ops::{AdamStep, Clamp, Norm, Rescale, SgdStep, apply, apply_all};
use crate::{Device, Net, Tensor};

pub use kernels::optimiser::{Adam, Sgd};

/// The values of `--optimiser`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Gradient descent with momentum
    Sgd,
    /// Adam, the L2 penalty in the gradient
    Adam,
    /// Adam, the weights shrunk apart from the gradient
    #[value(name = "adamw")]
    AdamW,
}

impl OptimiserKind {
    /// What it keeps for each weight.
    fn states(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &["velocity"],
            Self::Adam | Self::AdamW => &["mean", "square"],
        }
    }
}

/// The constants of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Of gradient descent.
    Sgd(Sgd),
    /// Of Adam or `AdamW`.
    Adam(Adam),
}

/// Limits of gradients: first of each value, then of the norm of all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Clip {
    /// The largest absolute value.
    pub value: Option<f64>,
    /// The largest norm, as `torch.nn.utils.clip_grad_norm_` has it.
    pub norm: Option<f64>,
}

/// An optimiser's state. Masked weights and their state stay at zero.
pub struct Optimiser {
    states: &'static [&'static str],
    /// One for each parameter of the table; none where nothing is to be changed.
    slots: Vec<Option<Slot>>,
    /// The table of all of them on a GPU.
    #[cfg(feature = "cuda")]
    fused: cuda::Fused,
}

/// What goes with one parameter.
struct Slot {
    states: Vec<Tensor>,
    mask: Option<Tensor>,
}

impl Optimiser {
    /// A fresh optimiser of all trainable parameters of `net` under `masks`.
    pub fn new(net: &Net, masks: &Masks, kind: OptimiserKind) -> Result<Self> {
        let states = kind.states();
        let slot = |(p, v): (&Param, &Tensor)| {
            if !p.trainable() {
                return Ok(None);
            }
            let zeros = || Tensor::zeros(v.dims(), net.device());
            let states = states.iter().map(|_| zeros()).collect::<Result<_>>()?;
            Ok(Some(Slot { states, mask: mask(net, masks, p)? }))
        };
        let slots =
            net.graph().params().iter().zip(net.values()).map(slot).collect::<Result<_>>()?;
        Ok(Self {
            states,
            slots,
            #[cfg(feature = "cuda")]
            fused: cuda::Fused::default(),
        })
    }

    /// Leaves the parameters that are `frozen` (in the order of the table) as they are, and keeps no
    /// state of them.
    pub fn freeze(&mut self, frozen: &[bool]) {
        for (slot, _) in self.slots.iter_mut().zip(frozen).filter(|(_, frozen)| **frozen) {
            *slot = None;
        }
    }

    /// Holds the weights that `masks` prune, and their state, at zero from now on; the state of all others stays.
    pub fn bind(&mut self, net: &Net, masks: &Masks) -> Result<()> {
        for (param, slot) in net.graph().params().iter().zip(&mut self.slots) {
            let Some(slot) = slot else { continue };
            slot.mask = mask(net, masks, param)?;
            let Some(pruned) = masks.get(&param.name) else { continue };
            for state in &mut slot.states {
                let own = net.exported(param, state)?;
                let mut values = own.as_f32().expect("states are floats").to_vec();
                pruned.apply(&mut values);
                *state = net.imported(param, values)?;
            }
        }
        Ok(())
    }

    /// Sets the state of all parameters to zero.
    pub fn reset(&mut self, net: &Net) -> Result<()> {
        let states = self.slots.iter_mut().flatten().flat_map(|slot| &mut slot.states);
        for state in states {
            *state = Tensor::zeros(state.dims(), net.device())?;
        }
        Ok(())
    }

    /// One step along `grads`, which are in the order of the parameter table and are first brought
    /// within the limits: those of masked weights and of parameters that are not to be changed do not
    /// count in their norm.
    pub fn step(
        &mut self,
        net: &Net,
        grads: &[Option<Tensor>],
        (clip, step): (Clip, Step),
    ) -> Result<()> {
        match net.device() {
            Device::Cpu => {
                self.clip(grads, clip)?;
                self.each(net, grads, step)
            }
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu, _) => self.all_at_once(gpu, net, grads, (clip, step)),
        }
    }

    fn clip(&self, grads: &[Option<Tensor>], clip: Clip) -> Result<()> {
        let changed =
            || self.slots.iter().zip(grads).filter_map(|(s, g)| s.as_ref().zip(g.as_ref()));
        if let Some(limit) = clip.value {
            changed().try_for_each(|(_, grad)| apply(&Clamp(limit as f32), grad, &[]))?;
        }
        let Some(limit) = clip.norm else { return Ok(()) };
        let norms = changed().map(|(slot, grad)| slot.norm(grad)).collect::<Result<Vec<_>>>()?;
        let norm = norms.iter().map(|n| n * n).sum::<f64>().sqrt();
        match kernels::clip::factor(norm, limit) {
            1.0 => Ok(()),
            factor => changed().try_for_each(|(_, grad)| apply(&Rescale(factor), grad, &[])),
        }
    }

    fn each(&self, net: &Net, grads: &[Option<Tensor>], step: Step) -> Result<()> {
        for ((slot, grad), weight) in self.slots.iter().zip(grads).zip(net.values()) {
            let (Some(slot), Some(grad)) = (slot, grad) else { continue };
            let sources: Vec<&Tensor> = [grad].into_iter().chain(&slot.mask).collect();
            match (step, slot.states.as_slice()) {
                (Step::Sgd(sgd), [velocity]) => {
                    apply_all(&SgdStep(sgd), &[weight, velocity], &sources)?;
                }
                (Step::Adam(adam), [mean, square]) => {
                    apply_all(&AdamStep(adam), &[weight, mean, square], &sources)?;
                }
                _ => bail!("a step of another optimiser than the state's"),
            }
        }
        Ok(())
    }

    /// The whole state, each tensor named by what it is and its parameter: `velocity/fc.weight`.
    pub fn tensors(&self, net: &Net) -> Result<Tensors> {
        let of = |(param, kind, state): (&Param, &str, &Tensor)| {
            Ok((format!("{kind}/{}", param.name), net.exported(param, state)?))
        };
        self.all(net).map(of).collect()
    }

    /// Takes over the state of an interrupted run from `all`, read from `path`.
    ///
    /// # Errors
    /// `Integrity` where a state is missing or has another shape.
    pub fn restore(&mut self, net: &Net, all: &Tensors, path: &Path) -> anyhow::Result<()> {
        let expected = self.tensors(net)?;
        let own = all.iter().filter(|(name, _)| self.owns(name));
        let own: Tensors = own.map(|(name, t)| (name.clone(), t.clone())).collect();
        let table: Vec<_> =
            expected.iter().map(|(name, t)| (name.as_str(), t.shape.as_slice())).collect();
        tensors::check_table(&own, &table, path)?;
        let kinds = self.states;
        for (param, slot) in net.graph().params().iter().zip(&mut self.slots) {
            let Some(slot) = slot else { continue };
            for (kind, state) in kinds.iter().zip(&mut slot.states) {
                let saved = own[&format!("{kind}/{}", param.name)].as_f32();
                let saved = saved.expect("checked against the table").to_vec();
                *state = net.imported(param, saved)?;
            }
        }
        Ok(())
    }

    /// Whether a state of this optimiser has this name.
    fn owns(&self, name: &str) -> bool {
        name.split_once('/').is_some_and(|(kind, _)| self.states.contains(&kind))
    }

    /// Every state with its parameter and kind.
    fn all<'a>(&'a self, net: &'a Net) -> impl Iterator<Item = (&'a Param, &'a str, &'a Tensor)> {
        net.graph().params().iter().zip(&self.slots).flat_map(|(param, slot)| {
            let states = slot.iter().flat_map(|slot| &slot.states);
            self.states.iter().zip(states).map(move |(kind, state)| (param, *kind, state))
        })
    }
}

impl Slot {
    /// The norm of what is kept of `grad`.
    fn norm(&self, grad: &Tensor) -> Result<f64> {
        let norm = Tensor::zeros(&[1], &Device::Cpu)?;
        let sources: Vec<&Tensor> = [grad].into_iter().chain(&self.mask).collect();
        apply(&Norm, &norm, &sources)?;
        Ok(f64::from(norm.host()?[0]))
    }
}

/// 1 where a weight of `param` is kept and 0 where not, if it has a mask.
fn mask(net: &Net, masks: &Masks, param: &Param) -> Result<Option<Tensor>> {
    let Some(mask) = masks.get(&param.name) else { return Ok(None) };
    match net.device() {
        Device::Cpu => {
            let kept = mask.kept().iter().map(|k| f32::from(u8::from(*k))).collect();
            Ok(Some(net.imported(param, kept)?))
        }
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu, _) => Ok(Some(fused::mask(gpu, net, (param, mask.kept()))?)),
    }
}

#[cfg(feature = "cuda")]
mod fused;
#[cfg(test)]
mod tests;
