//! The command: flags, the run under the masks, what goes into the manifest.

use std::path::PathBuf;

use anyhow::Result;
use artifact::record::{Finetuning, Pruning, Scores};
use artifact::{Error, names, size, tensors};
use cifar::Dataset;
use clap::Parser;
use engine::{Fit, FitFlags, Fitted, Net, Recalibration, device};
use serde::Serialize;
use sparsity::Checkpoint;
use stage::{Common, Job, Produce};

/// Fine-tunes a pruned network under its masks.
///
/// Pruned weights stay exactly zero, with their gradients and momentum; that is checked after each
/// epoch. The weights of the best epoch (by validation accuracy) are written. Ctrl-C ends after a
/// saved state; the same command goes on from there.
#[derive(Debug, Parser)]
#[command(name = "finetuner")]
pub struct Tune {
    /// Folder of a pruned checkpoint
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
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
    /// Training images for the norm statistics of the pruned network's score
    #[arg(long, default_value_t = 1024)]
    recalibration_images: usize,
    /// Where to compute
    #[arg(long, value_enum, default_value = "cpu")]
    device: device::Choice,
    #[command(flatten)]
    fit: FitFlags,
}

impl stage::Command for Tune {
    const SECTION: &'static str = "finetuner";

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> Result<()> {
        let device = self.config.device.open()?;
        let inputs = [("checkpoint", self.checkpoint.as_path()), ("dataset", self.data.as_path())];
        let flags = (&self.common, &self.produce);
        // Inputs are checked before the artifact is begun: a bad one leaves nothing behind.
        let start = open(&self.checkpoint)?;
        let data = Dataset::open(&self.data)?;
        engine::check_fit(&start.graph, &data, &self.data)?;
        self.config.fit.check(&start.graph)?;
        let Some(job) = Job::start(flags, "finetuner", &self.config, &inputs)? else {
            return Ok(());
        };
        let mut net = Net::load(start.graph.clone(), &start.tensors, &device)?;
        let seed = self.produce.seed;
        let fit =
            Fit { flags: &self.config.fit, data: &data, masks: &start.masks, seed, job: &job };
        let fitted = engine::fit(&mut net, &fit)?;
        let scores = self.score(&mut net, &start, (&data, &fitted))?;
        self.finish(job, &start, &fitted, scores)
    }
}

/// A checkpoint with a mask file, be the masks in it none: a plan may prune nothing.
fn open(folder: &std::path::Path) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::open(folder)?;
    if !checkpoint.manifest.has(names::MASK) {
        return Err(Error::Config(format!(
            "{}: holds no masks; expected a pruned checkpoint (made by pruner)",
            folder.display()
        ))
        .into());
    }
    Ok(checkpoint)
}

impl Tune {
    /// Scores of the pruned network as it came, the same recalibrated, and the tuned one.
    ///
    /// All at the stage's end: nothing is selected by them.
    fn score(
        &self,
        net: &mut Net,
        start: &Checkpoint,
        (data, fitted): (&Dataset, &Fitted),
    ) -> Result<[Scores; 3]> {
        net.set(&start.tensors)?;
        let as_is = engine::scores(net, data)?;
        let (images, augment) = (self.config.recalibration_images, &self.config.fit.augment);
        Recalibration { images, augment, seed: self.produce.seed }.apply(net, data)?;
        let recalibrated = engine::scores(net, data)?;
        net.set(&fitted.best)?;
        Ok([as_is, recalibrated, engine::scores(net, data)?])
    }

    fn finish(
        &self,
        job: Job,
        start: &Checkpoint,
        fitted: &Fitted,
        [pruned_as_is, pruned, tuned]: [Scores; 3],
    ) -> Result<()> {
        let model = job.path(names::MODEL);
        tensors::write(&model, &fitted.best, None)?;
        tensors::write(&job.path(names::MASK), &start.masks.tensors(&start.graph), None)?;
        let sparsity = sparsity::count(&start.graph, &fitted.best, &start.masks);
        // What comes from a finetuner was tuned already: its score is not that of a pruned network.
        let (before, state) = match start.manifest.stage.as_str() {
            "pruner" => (pruned, "pruned"),
            _ => (pruned_as_is, "before"),
        };
        tracing::info!(
            "test accuracy {:.2}% {state}, {:.2}% fine-tuned (epoch {} of {}), {:.2}% of prunable \
             weights are zero",
            before.test.accuracy * 100.0,
            tuned.test.accuracy * 100.0,
            fitted.best_epoch,
            self.config.fit.epochs,
            sparsity.of_prunable * 100.0
        );
        let result = Finetuning {
            epochs: self.config.fit.epochs,
            best_epoch: fitted.best_epoch,
            pruned_as_is,
            pruned,
            tuned,
            sizes: size::measure(&model, sparsity.nonzero)?,
            sparsity,
            layers: sparsity::layers(&start.graph, &start.masks, reasons(start)?),
            seconds: fitted.seconds,
        };
        let network = start.manifest.network.clone();
        job.finish(network, &result, &[names::MODEL, names::MASK, names::METRICS])?;
        Ok(())
    }
}

/// Why each layer has its sparsity, as the pruner said.
fn reasons(start: &Checkpoint) -> Result<impl Fn(&graph::Param) -> String> {
    let layers = match start.manifest.stage.as_str() {
        "pruner" => start.manifest.result::<Pruning>(&start.folder)?.layers,
        _ => start.manifest.result::<Finetuning>(&start.folder)?.layers,
    };
    Ok(move |p: &graph::Param| {
        let layer = layers.iter().find(|l| l.name == p.name);
        layer.map(|l| l.reason.clone()).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::tensors::{Tensor, Tensors};
    use artifact::yaml::Value;
    use artifact::{Begun, Manifest, Staging, manifest};
    use graph::Graph;

    /// Commits a network without a pruned weight, and opens it.
    fn opened(stage: &str, mask: bool) -> Result<Checkpoint> {
        let dir = tempfile::tempdir()?;
        let (out, graph) = (dir.path().join("a"), Graph::build("vgg-lab@0.03", 10, 32)?);
        let (stage, seed, config, inputs) = (stage.to_owned(), 1, Value::Null, vec![]);
        let begun = Begun { stage, seed, config, inputs, fresh: true };
        let staging = Staging::open(&out, &begun)?;
        let named = graph.params().iter().zip(graph::initial(&graph, 1));
        let weights: Tensors =
            named.map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
        tensors::write(&staging.folder().join(names::MODEL), &weights, None)?;
        let mut outputs = vec![names::MODEL.to_owned()];
        if mask {
            tensors::write(&staging.folder().join(names::MASK), &Tensors::default(), None)?;
            outputs.push(names::MASK.to_owned());
        }
        let manifest = Manifest {
            format: manifest::FORMAT,
            stage: begun.stage,
            version: "0".into(),
            seed,
            network: Some(graph.network()),
            inputs: vec![],
            outputs: vec![],
            config: Value::Null,
            result: Value::Null,
        };
        staging.commit(manifest, &outputs)?;
        open(&out)
    }

    #[test]
    fn a_pruner_that_pruned_nothing_is_no_dense_network() {
        assert!(opened("pruner", true).expect("it has a mask file").masks.is_empty());
        let error = opened("trainer", false).err().expect("a dense network");
        assert!(error.to_string().contains("holds no masks; expected a pruned"), "{error}");
    }
}
