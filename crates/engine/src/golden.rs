//! Recomputes `PyTorch`'s reference numbers of a network: weights and images follow from names by
//! a formula, so that no weight file is needed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, file};
use graph::{Graph, Role};
use kernels::loss::Target;
use serde::{Deserialize, Serialize};
use sparsity::Masks;

use crate::{Batch, Clip, Device, Mode, Net, Optimiser, OptimiserKind, Sgd, Step};

/// A golden file: what `PyTorch` computed in f64.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Name of the network.
    pub model: String,
    /// Salt of the formula.
    pub salt: String,
    /// Images.
    pub batch: usize,
    /// Height and width in pixels.
    pub side: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Logits of each image in evaluation mode.
    pub logits: Vec<Vec<f64>>,
    /// Mean cross-entropy in training mode.
    pub train_loss: f64,
    /// L2 norm of each parameter's gradient.
    pub grad_norm: BTreeMap<String, f64>,
    /// Loss after each of three steps of SGD.
    pub loss_after_step: Vec<f64>,
}

/// One compared number.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// What was compared.
    pub what: String,
    /// The relative difference, in the measure of its kind.
    pub found: f64,
    /// The largest that is accepted.
    pub tolerance: f64,
}

impl Difference {
    /// Whether it is accepted; a difference that is no number is not.
    pub fn holds(&self) -> bool {
        self.found <= self.tolerance
    }
}

/// Norm of the difference of logits over the norm of the reference.
const LOGITS: f64 = 1e-4;
/// Relative difference of the loss.
const LOSS: f64 = 1e-5;
/// Relative difference of a gradient's norm.
const GRADIENT: f64 = 0.01;
/// Absolute difference of a gradient's norm that is always accepted, as a fraction of the largest
/// norm: a bias before a batch norm has no gradient but rounding.
const GRADIENT_FLOOR: f64 = 1e-5;
/// Relative difference of the losses after steps.
const STEPS: f64 = 0.003;
/// The optimiser of the golden files.
const SGD: Sgd = Sgd { lr: 1e-4, momentum: 0.9, weight_decay: 5e-4, nesterov: false };

impl Golden {
    /// Reads a golden file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = file::read_text(path)?;
        Ok(serde_json::from_str(&text)
            .map_err(|e| Error::Config(format!("{}: no golden file: {e}", path.display())))?)
    }

    /// Runs the network and compares every number.
    pub fn compare(&self, device: &Device) -> Result<Vec<Difference>> {
        let graph = Graph::build(&self.model, 10, self.side)?;
        let (found, expected) = (graph.parameters(), self.parameters);
        let mut all = vec![difference("parameters", found as f64, expected as f64, 0.0)];
        let net = Net::load(graph.clone(), &fill(&graph, &self.salt), device)?;
        all.push(self.compare_logits(&net)?);
        self.compare_training(&net, &Batch::new(self.images(), device)?, &mut all)?;
        Ok(all)
    }

    fn images(&self) -> cifar::Batch {
        let values = uniform(&self.salt, "input", self.batch * 3 * self.side * self.side);
        let images = values.map(|u| ((2.0 * u - 1.0) * 2.0) as f32).collect();
        let labels = (0..self.batch).map(|n| (n % 10) as u16).collect();
        cifar::Batch { images, labels, shape: cifar::ImageShape::square(self.side) }
    }

    fn compare_logits(&self, net: &Net) -> Result<Difference> {
        let logits = net.scorer()?.rows(self.images())?;
        let expected: Vec<f64> = self.logits.concat();
        let off = norm(logits.iter().zip(&expected).map(|(a, b)| f64::from(*a) - b));
        let found = off / norm(expected.iter().copied());
        Ok(Difference { what: "logits".into(), found, tolerance: LOGITS })
    }

    fn compare_training(&self, net: &Net, batch: &Batch, all: &mut Vec<Difference>) -> Result<()> {
        let mut optimiser = Optimiser::new(net, &Masks::default(), OptimiserKind::Sgd)?;
        let (loss, mut grads) = gradients(net, batch)?;
        all.push(difference("loss", loss, self.train_loss, LOSS));
        let floor = GRADIENT_FLOOR * self.grad_norm.values().copied().fold(0.0, f64::max);
        for (param, grad) in net.graph().params().iter().zip(&grads) {
            let Some(grad) = grad else { continue };
            let found = norm(grad.host()?.into_iter().map(f64::from));
            let expected = self.grad_norm.get(&param.name).copied().unwrap_or(f64::NAN);
            let off = (found - expected).abs();
            let off = if off <= floor { 0.0 } else { off / expected };
            let what = format!("gradient of {}", param.name);
            all.push(Difference { what, found: off, tolerance: GRADIENT });
        }
        for (i, expected) in self.loss_after_step.iter().enumerate() {
            optimiser.step(net, &grads, (Clip::default(), Step::Sgd(SGD)))?;
            let loss;
            (loss, grads) = gradients(net, batch)?;
            all.push(difference(&format!("loss after step {}", i + 1), loss, *expected, STEPS));
        }
        Ok(())
    }
}

fn gradients(net: &Net, batch: &Batch) -> Result<(f64, Vec<Option<crate::Tensor>>)> {
    let tape = net.forward(batch, Mode::Train(None))?;
    let target = Target { labels: &batch.labels, classes: net.graph().classes(), smoothing: 0.0 };
    let (grad, outcome) = net.loss(&tape, target, None)?;
    let loss = outcome.read()?.loss / batch.labels.len() as f64;
    Ok((loss, net.backward(&tape, &grad)?))
}

fn difference(what: &str, found: f64, expected: f64, tolerance: f64) -> Difference {
    let found = (found - expected).abs() / expected.abs();
    Difference { what: what.to_owned(), found, tolerance }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Every value of a network by the formula of the golden files.
fn fill(graph: &Graph, salt: &str) -> Tensors {
    let one = |p: &graph::Param| {
        let bound = (3.0 / p.fan_in() as f64).sqrt();
        let value = |u: f64| match p.role {
            Role::Weight => (2.0 * u - 1.0) * bound,
            Role::Bias => (2.0 * u - 1.0) * 0.1,
            Role::NormWeight | Role::RunningVar | Role::Constant => 0.5 + u,
            Role::NormBias | Role::RunningMean => (2.0 * u - 1.0) * 0.2,
        };
        let values = uniform(salt, &p.name, p.count()).map(|u| value(u) as f32).collect();
        (p.name.clone(), Tensor::f32(&p.shape, values))
    };
    graph.params().iter().map(one).collect()
}

/// `count` numbers in `[0, 1)` that follow from `salt/name` (`SplitMix64` of a hash and an index).
fn uniform(salt: &str, name: &str, count: usize) -> impl Iterator<Item = f64> {
    let start = seed::fnv1a64(&format!("{salt}/{name}")).wrapping_add(0x9E37_79B9_7F4A_7C15);
    (0..count as u64).map(move |i| {
        let mut z = start.wrapping_add(i);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
    })
}
