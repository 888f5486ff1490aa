//! Recomputes `PyTorch`'s reference numbers for a network: either one whose weights and images a formula
//! derives from names, so that no weight file is needed, or a given checkpoint on given images.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use artifact::record::ImageShape;
use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, file};
use graph::{Graph, Role, Shape};
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
    /// Salt of the formula that weights and images follow from; none where they are in files.
    pub salt: Option<String>,
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
    /// Learning rate of the steps.
    pub lr: f64,
    /// Loss after each step of SGD.
    pub loss_after_step: Vec<f64>,
}

/// What the numbers are of.
pub struct Subject {
    /// The network.
    pub graph: Graph,
    /// Every value of its table.
    pub tensors: Tensors,
    /// The images, with their labels.
    pub images: cifar::Batch,
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

/// Classes of a network that follows from a formula.
const CLASSES: usize = 10;
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

impl Golden {
    /// Reads a golden file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = file::read_text(path)?;
        Ok(serde_json::from_str(&text)
            .map_err(|e| Error::Config(format!("{}: no golden file: {e}", path.display())))?)
    }

    /// The network and images that follow from the file's own names.
    ///
    /// # Errors
    /// `Config` where it names no formula, or no network of the zoo.
    pub fn by_formula(&self) -> Result<Subject> {
        let Some(salt) = &self.salt else {
            let what = "its weights and images do not come from a formula but from files; expected those \
                        too: --checkpoint DIR --images FILE.npz";
            return Err(Error::Config(format!("{}: {what}", self.model)).into());
        };
        let graph = Graph::build(&self.model, CLASSES, self.side)?;
        let values = uniform(salt, "input", self.batch * 3 * self.side * self.side);
        let images = values.map(|u| ((2.0 * u - 1.0) * 2.0) as f32).collect();
        let labels = (0..self.batch).map(|n| (n % CLASSES) as u16).collect();
        let images = cifar::Batch { images, labels, shape: ImageShape::square(self.side) };
        let tensors = fill(&graph, salt);
        Ok(Subject { graph, tensors, images })
    }

    /// Runs the network of `subject` and compares every number.
    ///
    /// # Errors
    /// `Config` where its images or its logits are of another shape than the file's numbers.
    pub fn compare(&self, subject: Subject, device: &Device) -> Result<Vec<Difference>> {
        let Subject { graph, tensors, images } = subject;
        self.check_shapes(&graph, &images)?;
        let (found, expected) = (graph.parameters(), self.parameters);
        let mut all = vec![difference("parameters", found as f64, expected as f64, 0.0)];
        let net = Net::load(graph, &tensors, device)?;
        all.push(self.compare_logits(&net, images.clone())?);
        self.compare_training(&net, &Batch::new(images, device)?, &mut all)?;
        Ok(all)
    }

    /// Checks that every number has a counterpart to be compared with.
    fn check_shapes(&self, graph: &Graph, images: &cifar::Batch) -> Result<()> {
        let (found, classes) = (images.labels.len(), graph.classes());
        let (batch, side, Shape { h, w, .. }) = (self.batch, self.side, graph.images());
        let what = if (h, w) != (side, side) {
            format!("images of {side} x {side}; the network takes {h} x {w}")
        } else if batch == 0 {
            "numbers of no image".into()
        } else if found != batch {
            format!("numbers of {batch} images; {found} are given")
        } else if self.logits.len() != batch || self.logits.iter().any(|l| l.len() != classes) {
            format!("logits of another shape than {batch} x {classes}")
        } else if let Some(name) = self.grad_norm.keys().find(|name| graph.param(name).is_none()) {
            format!("a gradient norm of {name}; the network has no such parameter")
        } else {
            return Ok(());
        };
        Err(Error::Config(format!("the golden file of {} has {what}", self.model)).into())
    }

    fn compare_logits(&self, net: &Net, images: cifar::Batch) -> Result<Difference> {
        let logits = net.scorer()?.rows(images)?;
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
            let sgd =
                Sgd { lr: self.lr as f32, momentum: 0.9, weight_decay: 5e-4, nesterov: false };
            optimiser.step(net, &grads, (Clip::default(), Step::Sgd(sgd)))?;
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
    let (grad, outcome) = net.loss(&tape, target.into())?;
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
