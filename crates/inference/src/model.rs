//! A packed file, opened and ready to answer.

use std::path::Path;
use std::sync::OnceLock;

use artifact::tensors::Tensor;
use artifact::{Error, Result, file};
use cifar::Normalise;
use cifar::photo::Photo;
use packed::{Options, Packed};

use crate::{Network, Plan, Removed, Unknown, Use};

/// Images from which on a plan for batches is the faster one: below, too many of the sixteen lanes
/// of a block would be empty.
const MANY: usize = 12;
/// The batch that the plan for many images is made for.
const BATCH: usize = 64;

/// A network that answers, with its own class names and normalisation.
pub struct Model {
    packed: Packed,
    normalise: Normalise,
    one: OnceLock<Plan>,
    many: OnceLock<Plan>,
}

/// A class and how probable the network holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The class's name.
    pub class: String,
    /// Its softmax probability.
    pub probability: f64,
}

impl Model {
    /// Opens the packed file at `path`.
    ///
    /// # Errors
    /// As [`packed::unpack()`], and [`Error::Missing`] where there is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(packed::unpack(&file::read(path)?, path)?, path)
    }

    /// The model of an unpacked file; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::Integrity`] where class names or normalisation do not fit the network.
    pub fn new(packed: Packed, path: &Path) -> Result<Self> {
        let (info, graph) = (&packed.info, &packed.graph);
        let bad = |what: String| Error::Integrity(format!("{}: {what}", path.display()));
        cifar::check_normalisation(&info.mean, &info.std, 3).map_err(bad)?;
        if info.classes.len() != graph.classes() {
            let (names, classes) = (info.classes.len(), graph.classes());
            return Err(bad(format!("{names} class names for a network of {classes} classes")));
        }
        let normalise = Normalise::new(&info.mean, &info.std);
        Ok(Self { packed, normalise, one: OnceLock::new(), many: OnceLock::new() })
    }

    /// The name of each class, in the order of the logits.
    pub fn classes(&self) -> &[String] {
        &self.packed.info.classes
    }

    /// Height and width of the input in pixels.
    pub fn side(&self) -> usize {
        self.packed.graph.side()
    }

    /// How pixels become the network's input.
    pub fn normalise(&self) -> &Normalise {
        &self.normalise
    }

    /// The network's name, such as `resnet18@0.25`.
    pub fn network_name(&self) -> String {
        self.packed.graph.spec().to_string()
    }

    /// How the file was packed.
    pub fn options(&self) -> Options {
        self.packed.options
    }

    /// What was in the file.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// The network as it is run, every weight laid out and channels without use taken out, and what
    /// was taken out.
    pub fn network(&self) -> (Network, Removed) {
        let packed = &self.packed;
        let norm = |node: usize| {
            let name = &packed.graph.nodes()[node].name;
            ["weight", "bias", "running_mean", "running_var"].map(|suffix| {
                let tensor = packed.tensor(&format!("{name}.{suffix}"));
                let values = tensor.as_ref().and_then(Tensor::as_f32);
                values.expect("a norm by itself is kept whole").to_vec()
            })
        };
        Network::new(&packed.graph, |group| packed.layer(group), norm).without_dead_channels()
    }

    /// The logits `(n, classes)` of normalised images `(n, 3, side, side)`.
    ///
    /// # Panics
    /// If `images` holds a part of an image.
    pub fn logits(&self, images: &[f32]) -> Vec<f32> {
        let n = images.len() / (3 * self.side() * self.side());
        if n == 0 {
            return vec![];
        }
        let (plan, batch) = if n < MANY { (&self.one, 1) } else { (&self.many, BATCH) };
        let how = Use { batch, skip: true, unknown: Unknown::Guess };
        if plan.get().is_none() {
            // Made outside of the lock: it takes the threads' help, and one of them may come back
            // here for another image meanwhile.
            let made = Plan::new(&self.network().0, how);
            let _ = plan.set(made);
        }
        plan.get().expect("set above, or by another thread").logits(images)
    }

    /// For each photo every class with its probability, the most probable first.
    pub fn classify(&self, photos: &[Photo]) -> Vec<Vec<Answer>> {
        let fitted = photos.iter().flat_map(|photo| photo.fit(self.side(), &self.normalise));
        let logits = self.logits(&fitted.collect::<Vec<f32>>());
        logits.chunks(self.classes().len()).map(|logits| self.answers(logits)).collect()
    }

    fn answers(&self, logits: &[f32]) -> Vec<Answer> {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let odds: Vec<f64> = logits.iter().map(|v| f64::from(v - most).exp()).collect();
        let total: f64 = odds.iter().sum();
        let answer = |(class, odds): (&String, &f64)| Answer {
            class: class.clone(),
            probability: odds / total,
        };
        let mut all: Vec<Answer> = self.classes().iter().zip(&odds).map(answer).collect();
        all.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        all
    }
}
