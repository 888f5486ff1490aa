//! The command: flags, the run, what goes into the manifest.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::manifest::Network;
use artifact::record::Training;
use artifact::tensors;
use artifact::{names, size};
use cifar::{Dataset, ImageShape};
use clap::Parser;
use engine::{ClassFlags, Fit, FitFlags, Fitted, Matched, Moment, Net, Pruning, Start, device};
use graph::{Graph, Param, Shape};
use serde::Serialize;
use sparsity::{Checkpoint, Current, Masks};
use stage::{Common, Job, OnlyWith, Produce};

/// Trains a network on a dataset: dense, or pruned on the way (--prune).
///
/// Writes the weights of the best epoch (by validation accuracy) and of the last, and one line of
/// metrics an epoch; with --prune also the masks, and the best epoch is chosen among those after their last change. Ctrl-C ends after a saved state; the same command goes on from there.
#[derive(Debug, Parser)]
#[command(name = "trainer")]
pub struct Train {
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Start from the weights of this checkpoint, made by models import, trainer or finetuner: its
    /// weights and norm statistics alone, no state of its training
    #[arg(long, value_name = "DIR")]
    init_from: Option<PathBuf>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    produce: Produce,
    #[command(flatten)]
    common: Common,
}

/// Every setting that can change the result.
#[derive(Debug, clap::Args, Serialize)]
struct Config {
    /// Network by name, with @WIDTH behind it if wanted (see: models list), or the file of a graph's
    /// text (see: models show)
    #[arg(long, value_name = "NAME[@WIDTH]|FILE.net")]
    network: String,
    /// Height and width in pixels to which images are resized; 0 leaves them as they are
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    side: usize,
    /// Also keep the weights after this many steps (500) or epochs (1epoch), to rewind to
    #[arg(long, value_name = "STEPS|Nepochs")]
    save_at: Option<Moment>,
    #[command(flatten)]
    #[serde(flatten)]
    device: device::Flags,
    #[command(flatten)]
    #[serde(flatten)]
    classes: ClassFlags,
    #[command(flatten)]
    fit: FitFlags,
}

impl Config {
    /// The network, for the images of `data`; that of a text says itself which images it takes.
    fn graph(&self, data: &Dataset) -> artifact::Result<Graph> {
        let ImageShape { channels, height, width } = data.info.shape;
        let images = match self.side {
            0 if graph::source::is_file(&self.network) => None,
            0 => Some(Shape::new(channels, height, width)),
            side => Some(Shape::new(channels, side, side)),
        };
        graph::source::open(&self.network, Some(data.info.classes.len()), images)
    }
}

impl stage::Command for Train {
    const SECTION: &'static str = "trainer";
    const ONLY_WITH: &'static [OnlyWith] = FitFlags::ONLY_WITH;

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(mut self) -> Result<()> {
        let device = self.config.device.open()?;
        let mut inputs = vec![("dataset", self.data.as_path())];
        let network = &self.config.network;
        if graph::source::is_file(network) {
            inputs.push(("network", Path::new(network)));
        } else {
            // A misspelt network is refused before anything is read or written.
            graph::Spec::parse(network)?;
        }
        inputs.extend(self.init_from.as_deref().map(|folder| ("initial", folder)));
        inputs.extend(self.config.fit.teacher.input());
        let shared = (&self.common, &self.produce);
        // Inputs are checked before the artifact is begun: a bad one leaves nothing behind.
        let data = Dataset::open(&self.data)?;
        let graph = self.config.graph(&data)?;
        self.config.fit.check(&graph, data.train.len(), 0)?;
        let start = self
            .init_from
            .as_deref()
            .map(|f| start(f, &graph, self.config.fit.prune.is_off()))
            .transpose()?;
        let known = known(&graph, start.as_ref());
        let flags = self.config.classes;
        let Matched { data, network } = flags.matched(&graph, known, data, &self.data)?;
        let teacher = self.config.fit.teacher.open(&graph, &network, &device)?;
        let masks = Masks::default();
        let mut net = match &start {
            Some(start) => Net::load(graph, &start.tensors, &device)?,
            None => Net::initial(graph, self.produce.seed, &device)?,
        };
        let pruning = self.pruning(&net, (&masks, start.is_none()), data.train.len())?;
        let Some(job) = Job::start(shared, "trainer", &self.config, &inputs)? else {
            return Ok(());
        };
        let graph = net.graph();
        tracing::info!(
            "training {} ({} parameters) on {} images",
            graph.name(),
            graph.parameters(),
            data.train.len()
        );
        let flags = &self.config.fit;
        let fit = Fit {
            flags,
            data: &data,
            masks: &masks,
            pruning: pruning.as_ref(),
            teacher: teacher.as_ref(),
            seed: self.produce.seed,
            job: &job,
            early: self.config.save_at,
            skipped: 0,
        };
        let fitted = engine::fit(&mut net, &fit)?;
        let result = result((&job, &fitted), &mut net, &data, (flags.epochs, pruning.as_ref()))?;
        let mut outputs = vec![names::MODEL, names::LAST, names::METRICS];
        outputs.extend(self.config.save_at.map(|_| names::EARLY));
        outputs.extend(pruning.map(|_| names::MASK));
        Ok(job.timed(fitted.timings).finish(Some(network), &result, &outputs)?)
    }
}

impl Train {
    /// What prunes the network while it is trained on `images` images; `fresh` weights were drawn and never trained.
    fn pruning(
        &self,
        net: &Net,
        (masks, fresh): (&Masks, bool),
        images: usize,
    ) -> Result<Option<Pruning>> {
        let fit = &self.config.fit;
        if fit.prune.is_off() {
            return Ok(None);
        }
        let (graph, tensors) = (net.graph(), net.tensors()?);
        let current = Current { graph, tensors: &tensors, masks, measured: None };
        Ok(fit.pruning(Start { current, fresh, images, seed: self.produce.seed })?)
    }
}

/// The checkpoint in `folder`, which must fit `graph`.
fn start(folder: &Path, graph: &Graph, dense: bool) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::open(folder)?;
    let path = folder.join(names::MODEL);
    tensors::check_table(&checkpoint.tensors, &graph.table(), &path)?;
    if !checkpoint.masks.is_empty() {
        let how = if dense { "dense training" } else { "a training that begins dense" };
        tracing::warn!(
            "{}: was pruned; {how} lets its zeros grow again (finetuner keeps them)",
            folder.display()
        );
    }
    Ok(checkpoint)
}

/// What is known of the network `graph` before it is trained: classes and normalisation of where it starts.
fn known(graph: &Graph, start: Option<&Checkpoint>) -> Network {
    let own = graph.network();
    match start.map(Checkpoint::network) {
        Some(Network { class_names, normalisation, .. }) => {
            Network { class_names, normalisation, ..own }
        }
        None => own,
    }
}

/// Writes both checkpoints and, of a pruned network, the masks; what the manifest says of the best.
fn result(
    (job, fitted): (&Job, &Fitted),
    net: &mut Net,
    data: &Dataset,
    (epochs, pruning): (usize, Option<&Pruning>),
) -> Result<Training> {
    let model = job.path(names::MODEL);
    tensors::write(&model, &fitted.best, None)?;
    tensors::write(&job.path(names::LAST), &fitted.last, None)?;
    if pruning.is_some() {
        tensors::write(&job.path(names::MASK), &fitted.masks.tensors(net.graph()), None)?;
    }
    net.set(&fitted.best)?;
    let scores = engine::scores(net, data)?;
    let sparsity = sparsity::count(net.graph(), &fitted.best, &fitted.masks);
    let reason = |p: &Param| fitted.reasons.get(&p.name).cloned().unwrap_or_default();
    let layers = pruning.map(|_| sparsity::layers(net.graph(), &fitted.masks, reason));
    let result = Training {
        epochs,
        best_epoch: fitted.best_epoch,
        scores,
        sizes: size::measure(&model, sparsity.nonzero)?,
        sparsity,
        method: pruning.map(Pruning::record),
        layers: layers.unwrap_or_default(),
    };
    let sparse = match pruning {
        Some(_) => {
            format!(", {:.2}% of prunable weights are zero", result.sparsity.of_prunable * 100.0)
        }
        None => String::new(),
    };
    tracing::info!(
        "test accuracy {:.2}%{sparse} (epoch {} of {epochs}, validation {:.2}%)",
        scores.test.accuracy * 100.0,
        fitted.best_epoch,
        scores.validation.accuracy * 100.0
    );
    Ok(result)
}
