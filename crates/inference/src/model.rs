//! A packed file, opened and ready to answer.

use std::path::Path;
use std::sync::{Mutex, OnceLock};

use artifact::tensors::Tensor;
use artifact::{Error, Result, file};
use cifar::photo::Photo;
use cifar::{ImageShape, Normalise};
use graph::Shape;
use graph::fold::Folded;
use graph::group::Group;
use kernels::integer::Instructions;
use packed::{IntegerWeights, Options, Packed};

use crate::integer::{self, How, IntegerPlan, Roundings};
use crate::network::Values;
use crate::{LayerPlan, Network, Plan, Removed, Threads, Unknown, Use};

/// Images from which on a plan for batches is the faster one: below, too many of the sixteen lanes
/// of a block would be empty.
const MANY: usize = 12;
/// The batch that the plan for many images is made for.
const BATCH: usize = 64;

/// A network that answers, with its own class names and normalisation.
pub struct Model {
    packed: Packed,
    normalise: Normalise,
    /// What the integers of each layer's output stand for, if the file has int8 activations.
    integers: Option<Roundings>,
    /// The network that was built to check `integers` on opening; who asks for it first takes it.
    checked: Mutex<Option<Network>>,
    one: OnceLock<ModelPlan>,
    many: OnceLock<ModelPlan>,
}

/// A network that is ready to run.
pub enum ModelPlan {
    /// Activations are floats.
    Floats(Plan),
    /// Activations are integers.
    Integers(IntegerPlan),
}

impl ModelPlan {
    /// The logits `(n, classes)` of normalised images `(n, channels, height, width)`.
    ///
    /// # Panics
    /// If `images` holds a part of an image.
    pub fn logits(&self, images: &[f32]) -> Vec<f32> {
        match self {
            Self::Floats(plan) => plan.logits(images),
            Self::Integers(plan) => plan.logits(images),
        }
    }

    /// How each layer is run, the input first.
    pub fn layers(&self) -> Vec<LayerPlan> {
        match self {
            Self::Floats(plan) => plan.layers(),
            Self::Integers(plan) => plan.layers(),
        }
    }

    /// Seconds that each layer has taken since this was last asked, in wall-clock time.
    pub fn take_spent(&self) -> Vec<f64> {
        match self {
            Self::Floats(plan) => plan.take_spent(),
            Self::Integers(plan) => plan.take_spent(),
        }
    }

    /// Bytes of the activations of a batch of `images`.
    pub fn activation_bytes(&self, images: usize) -> usize {
        match self {
            Self::Floats(plan) => plan.activation_bytes(),
            Self::Integers(plan) => plan.activation_bytes(images),
        }
    }
}

impl Values for Packed {
    fn folded(&self, group: &Group) -> Option<Folded> {
        self.layer(group)
    }

    fn integers(&self, group: &Group) -> Option<(IntegerWeights, Vec<f32>)> {
        self.integer_layer(group)
    }

    fn param(&self, index: usize) -> Vec<f32> {
        let tensor = self.tensor(&self.graph.params()[index].name);
        let values = tensor.as_ref().and_then(Tensor::as_f32);
        values.expect("what is not folded is kept whole").to_vec()
    }
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
    /// [`Error::Integrity`] where class names, normalisation or ranges do not fit the network.
    pub fn new(packed: Packed, path: &Path) -> Result<Self> {
        let (info, graph) = (&packed.info, &packed.graph);
        let bad = |what: String| Error::Integrity(format!("{}: {what}", path.display()));
        info.normalisation().check(graph.images().c).map_err(bad)?;
        if info.classes.len() != graph.classes() {
            let (names, classes) = (info.classes.len(), graph.classes());
            return Err(bad(format!("{names} class names for a network of {classes} classes")));
        }
        let normalise = Normalise::new(&info.mean, &info.std);
        let checked = packed.integers.as_ref().map(|integers| {
            let network = Network::new(graph, &packed);
            integer::check(&network)?;
            Ok((integer::roundings(&network, &integers.ranges)?, network))
        });
        let (integers, checked) = checked.transpose().map_err(bad)?.unzip();
        let checked = Mutex::new(checked);
        Ok(Self {
            packed,
            normalise,
            integers,
            checked,
            one: OnceLock::new(),
            many: OnceLock::new(),
        })
    }

    /// The name of each class, in the order of the logits.
    pub fn classes(&self) -> &[String] {
        &self.packed.info.classes
    }

    /// The shape of the images.
    pub fn images(&self) -> Shape {
        self.packed.graph.images()
    }

    /// How pixels become the network's input.
    pub fn normalise(&self) -> &Normalise {
        &self.normalise
    }

    /// The network's name, such as `resnet18@0.25`.
    pub fn network_name(&self) -> String {
        self.packed.graph.name().to_owned()
    }

    /// How the file was packed.
    pub fn options(&self) -> Options {
        self.packed.options
    }

    /// What was in the file.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// The network as it is run, with every weight laid out and unused channels removed, and what was removed:
    /// nothing with int8 activations, where a layer's channels share one rounding.
    pub fn network(&self) -> (Network, Removed) {
        let checked = self.checked.lock().expect("no panic while held").take();
        let network = checked.unwrap_or_else(|| Network::new(&self.packed.graph, &self.packed));
        if self.integers.is_some() {
            return (network, Removed::default());
        }
        network.without_dead_channels()
    }

    /// `network`, which is this model's, ready to run as `how` says.
    pub fn plan(&self, network: &Network, how: Use) -> ModelPlan {
        let Some(roundings) = &self.integers else {
            return ModelPlan::Floats(Plan::new(network, how));
        };
        let own = How {
            instructions: Instructions::chosen(),
            skip: how.skip,
            unknown: how.unknown,
            tiles: how.batch < MANY,
        };
        ModelPlan::Integers(IntegerPlan::new(network, roundings.clone(), own))
    }

    /// The logits `(n, classes)` of normalised images `(n, channels, height, width)`.
    ///
    /// # Panics
    /// If `images` holds a part of an image.
    pub fn logits(&self, images: &[f32]) -> Vec<f32> {
        let n = images.len() / self.images().count();
        if n == 0 {
            return vec![];
        }
        let (plan, batch) = if n < MANY { (&self.one, 1) } else { (&self.many, BATCH) };
        let how = Use { batch, skip: true, unknown: Unknown::Guess, threads: Threads::Present };
        if plan.get().is_none() {
            // Made outside of the lock: it takes the threads' help, and one of them may come back
            // here for another image meanwhile.
            let made = self.plan(&self.network().0, how);
            let _ = plan.set(made);
        }
        plan.get().expect("set above, or by another thread").logits(images)
    }

    /// For each photo every class with its probability, the most probable first.
    ///
    /// # Errors
    /// [`Error::Config`] where the network's images are neither grey nor in colour.
    pub fn classify(&self, photos: &[Photo]) -> Result<Vec<Vec<Answer>>> {
        let Shape { c, h, w } = self.images();
        if ![1, 3].contains(&c) {
            return Err(Error::Config(format!(
                "the network takes images of {c} channels; photos have 3, or 1 as grey ones"
            )));
        }
        let shape = ImageShape { channels: c, height: h, width: w };
        let fitted = photos.iter().flat_map(|photo| photo.fit(shape, &self.normalise));
        let logits = self.logits(&fitted.collect::<Vec<f32>>());
        Ok(logits.chunks(self.classes().len()).map(|logits| self.answers(logits)).collect())
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
