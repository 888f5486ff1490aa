//! The optimiser: its state beside the parameters, bound by the masks.

use std::path::Path;

use artifact::tensors::{self, Tensors};
use candle_core::{DType, Result, Tensor, bail};
use graph::Param;
use serde::Serialize;
use sparsity::Masks;

use crate::Net;
use crate::evaluate::host;
use crate::ops::{AdamStep, Clamp, Norm, Scale, SgdStep, apply, apply_all};

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
            let states = states.iter().map(|_| v.zeros_like()).collect::<Result<_>>()?;
            Ok(Some(Slot { states, mask: mask(net, masks, p)? }))
        };
        let slots =
            net.graph().params().iter().zip(net.values()).map(slot).collect::<Result<_>>()?;
        Ok(Self { states, slots })
    }

    /// Leaves the parameters that are `frozen` (in the order of the table) as they are, and keeps no
    /// state of them.
    pub fn freeze(&mut self, frozen: &[bool]) {
        for (slot, _) in self.slots.iter_mut().zip(frozen).filter(|(_, frozen)| **frozen) {
            *slot = None;
        }
    }

    /// Brings `grads` within the limits. Those of masked weights and of parameters that are not to
    /// be changed do not count in the norm.
    pub fn clip(&self, grads: &[Option<Tensor>], clip: Clip) -> Result<()> {
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
            factor => changed().try_for_each(|(_, grad)| apply(&Scale(factor), grad, &[])),
        }
    }

    /// One step along `grads`, which are in the order of the parameter table.
    pub fn step(&mut self, net: &Net, grads: &[Option<Tensor>], step: Step) -> Result<()> {
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
            Ok((format!("{kind}/{}", param.name), tensors::Tensor::f32(&param.shape, host(state)?)))
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
                *state = Tensor::from_vec(saved, param.shape.as_slice(), net.device())?;
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
        let norm = Tensor::zeros(1, DType::F32, grad.device())?;
        let sources: Vec<&Tensor> = [grad].into_iter().chain(&self.mask).collect();
        apply(&Norm, &norm, &sources)?;
        Ok(f64::from(norm.to_vec1::<f32>()?[0]))
    }
}

/// 1 where a weight of `param` is kept and 0 where not, if it has a mask.
fn mask(net: &Net, masks: &Masks, param: &Param) -> Result<Option<Tensor>> {
    let Some(mask) = masks.get(&param.name) else { return Ok(None) };
    let kept: Vec<f32> = mask.kept().iter().map(|k| f32::from(u8::from(*k))).collect();
    Tensor::from_vec(kept, param.shape.as_slice(), net.device()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use graph::Graph;
    use sparsity::Mask;

    const PATH: &str = "state";

    fn step(kind: OptimiserKind, step: u32) -> Step {
        let (lr, weight_decay) = (0.1, 0.01);
        match kind {
            OptimiserKind::Sgd => {
                Step::Sgd(Sgd { lr, momentum: 0.9, weight_decay, nesterov: true })
            }
            _ => Step::Adam(Adam {
                lr,
                betas: (0.9, 0.999),
                eps: 1e-8,
                weight_decay,
                decoupled: kind == OptimiserKind::AdamW,
                step,
            }),
        }
    }

    /// A network and the masks of half of its classifier.
    fn network() -> (Net, Masks) {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let mut masks = Masks::default();
        let count = graph.param("classifier.weight").expect("in the table").count();
        masks.insert("classifier.weight", Mask::new((0..count).map(|i| i % 2 == 0).collect()));
        (Net::initial(graph, 1, &Device::Cpu).expect("fits"), masks)
    }

    /// Gradients that follow from the weights.
    fn grads(net: &Net) -> Vec<Option<Tensor>> {
        let of = |(p, v): (&Param, &Tensor)| {
            p.trainable().then(|| v.affine(0.25, 0.125).expect("scales"))
        };
        net.graph().params().iter().zip(net.values()).map(of).collect()
    }

    fn check(kind: OptimiserKind, expected: &[&str]) {
        let (net, masks) = network();
        let mut whole = Optimiser::new(&net, &masks, kind).expect("fits");
        whole.step(&net, &grads(&net), step(kind, 1)).expect("steps");
        let (weights, state) = (net.tensors().expect("reads"), whole.tensors(&net).expect("reads"));
        let names: Vec<&str> = expected
            .iter()
            .flat_map(|k| state.keys().filter(move |n| n.starts_with(k)))
            .map(String::as_str)
            .collect();
        let trainable = net.graph().params().iter().filter(|p| p.trainable()).count();
        assert_eq!((names.len(), state.len()), (expected.len() * trainable, names.len()));
        assert_eq!(masks.revived(&weights), 0);
        whole.step(&net, &grads(&net), step(kind, 2)).expect("steps");
        let end = (net.tensors().expect("reads"), whole.tensors(&net).expect("reads"));

        let net = Net::load(net.graph().clone(), &weights, &Device::Cpu).expect("fits");
        let mut resumed = Optimiser::new(&net, &masks, kind).expect("fits");
        resumed.restore(&net, &state, Path::new(PATH)).expect("a whole state");
        resumed.step(&net, &grads(&net), step(kind, 2)).expect("steps");
        assert_eq!((net.tensors().expect("reads"), resumed.tensors(&net).expect("reads")), end);
    }

    #[test]
    fn a_restored_state_goes_on_to_the_same_bits() {
        check(OptimiserKind::Sgd, &["velocity/"]);
        check(OptimiserKind::Adam, &["mean/", "square/"]);
        check(OptimiserKind::AdamW, &["mean/", "square/"]);
    }

    #[test]
    fn what_is_frozen_stays_and_has_no_state() {
        let (net, masks) = network();
        let before = net.tensors().expect("reads");
        let mut optimiser = Optimiser::new(&net, &masks, OptimiserKind::AdamW).expect("fits");
        let frozen = net.graph().params().iter().map(|p| p.name.starts_with("classifier"));
        optimiser.freeze(&frozen.collect::<Vec<_>>());
        optimiser.step(&net, &grads(&net), step(OptimiserKind::AdamW, 1)).expect("steps");
        let after = net.tensors().expect("reads");
        for param in net.graph().params() {
            let moves = param.trainable() && !param.name.starts_with("classifier");
            assert_eq!(before[&param.name] != after[&param.name], moves, "{}", param.name);
        }
        let state = optimiser.tensors(&net).expect("reads");
        assert!(state.contains_key("mean/backbone.conv0.weight"));
        assert!(!state.keys().any(|name| name.contains("classifier")));
    }

    #[test]
    fn gradients_are_clipped_by_value_and_then_by_norm() {
        let (net, masks) = network();
        let optimiser = Optimiser::new(&net, &masks, OptimiserKind::Sgd).expect("fits");
        // Those of the batch norms' biases are 3, all others 0, but for what is pruned.
        let of = |p: &Param| match p.name.as_str() {
            "classifier.weight" => {
                (0..p.count()).map(|i| if i % 2 == 0 { 0.0 } else { f32::NAN }).collect()
            }
            _ if p.role == graph::Role::NormBias => vec![3.0; p.count()],
            _ => vec![0.0; p.count()],
        };
        let all = || -> Vec<Option<Tensor>> {
            let of = |p: &Param| Tensor::from_vec(of(p), p.shape.as_slice(), net.device());
            net.graph().params().iter().map(|p| Some(of(p).expect("fits"))).collect()
        };
        let biases = |p: &&Param| p.role == graph::Role::NormBias;
        let count: usize = net.graph().params().iter().filter(biases).map(Param::count).sum();
        let root = (count as f64).sqrt();
        let check = |value, norm, expected: f64| {
            let grads = all();
            optimiser.clip(&grads, Clip { value, norm }).expect("clips");
            for (p, grad) in net.graph().params().iter().zip(&grads).filter(|(p, _)| biases(p)) {
                let found = host(grad.as_ref().expect("given")).expect("reads");
                let off = found.iter().map(|v| (f64::from(*v) - expected).abs());
                assert!(off.fold(0.0, f64::max) < 1e-6, "{}: {found:?}, not {expected}", p.name);
            }
        };
        check(None, None, 3.0);
        check(Some(2.0), None, 2.0);
        check(None, Some(root), 1.0);
        check(None, Some(4.0 * root), 3.0);
        check(Some(2.0), Some(root), 1.0);
        check(Some(0.5), Some(root), 0.5);
    }

    #[test]
    fn a_state_of_another_kind_is_refused() {
        let (net, masks) = network();
        let of = |kind| Optimiser::new(&net, &masks, kind).expect("fits");
        let state = of(OptimiserKind::Sgd).tensors(&net).expect("reads");
        let error = of(OptimiserKind::Adam).restore(&net, &state, Path::new(PATH));
        let error = error.expect_err("no mean is there").to_string();
        assert!(error.contains("mean/backbone.bn0.bias [2] is missing"), "{error}");
        let wrong = of(OptimiserKind::Adam).step(&net, &grads(&net), step(OptimiserKind::Sgd, 1));
        assert!(wrong.expect_err("refused").to_string().contains("another optimiser"));
    }
}
