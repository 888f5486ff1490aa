//! `scanner scores`: a score of each weight, measured on images.

use std::path::PathBuf;

use anyhow::Result;
use artifact::record::Scoring;
use artifact::{Error, Named, names, tensors};
use cifar::Dataset;
use clap::Args;
use engine::{ClassFlags, Importance, device};
use serde::Serialize;
use sparsity::score::Source;
use sparsity::{Checkpoint, Score};
use stage::{Common, Job, Produce};

/// Measure a score of each weight on training images, for pruner --scores
///
/// Norms keep their running statistics. The sums so far are saved on the way: an interrupted run goes on where it was.
#[derive(Debug, Args)]
pub struct Scores {
    /// Folder of a checkpoint
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    produce: Produce,
}

/// Every setting that can change the result.
#[derive(Debug, Args, Serialize)]
struct Config {
    /// What is measured
    #[arg(long, value_parser = stage::named::<Score>())]
    #[serde(serialize_with = "method::own_name")]
    score: Score,
    /// Training images, shown as they are
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    images: u32,
    /// Images per gradient, of their mean loss. Scores are defined with 1; more is faster
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    #[command(flatten)]
    #[serde(flatten)]
    device: device::Flags,
    #[command(flatten)]
    #[serde(flatten)]
    classes: ClassFlags,
}

impl Scores {
    /// Measures and commits the artifact.
    pub fn run(mut self, common: &Common) -> Result<()> {
        let device = self.config.device.open()?;
        let score = self.config.score;
        match score.source() {
            Source::Weights => {
                let what = format!("--score {}: needs no images; pruner computes it", score.name());
                return Err(Error::Config(what).into());
            }
            Source::Inputs if !device.is_cpu() => {
                let what = format!(
                    "--score {}: is measured on the processor alone; say --device cpu",
                    score.name()
                );
                return Err(Error::Config(what).into());
            }
            Source::Inputs if self.config.batch > 1 => {
                let what = format!("--batch: has no effect with --score {}", score.name());
                return Err(Error::Config(what).into());
            }
            Source::Inputs | Source::Gradients => {}
        }
        let inputs = [("checkpoint", self.checkpoint.as_path()), ("dataset", self.data.as_path())];
        // Inputs are checked before the artifact is begun: a bad one leaves nothing behind.
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let data = Dataset::open(&self.data)?;
        let (graph, known) = (&checkpoint.graph, checkpoint.network());
        let data = self.config.classes.matched(graph, known, data, &self.data)?.data;
        let flags = (common, &self.produce);
        let Some(job) = Job::start(flags, STAGE, &self.config, &inputs)? else { return Ok(()) };
        let (images, batch) = (self.config.images as usize, self.config.batch as usize);
        let importance = Importance { score, images, batch, seed: self.produce.seed };
        let scores = importance.measure(&checkpoint, &data, &device, &job)?;
        tensors::write(&job.path(names::IMPORTANCE), &scores, None)?;
        let images = images.min(data.train.len());
        let result = Scoring { score: score.name().to_owned(), images };
        Ok(job.finish(Some(checkpoint.network()), &result, &[names::IMPORTANCE])?)
    }
}

/// What manifests call it.
const STAGE: &str = "scores";
