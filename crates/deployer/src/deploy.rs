//! `deployer deploy`: packed, verified and timed, as an artifact.

use std::path::PathBuf;

use anyhow::Result;
use artifact::record::Deployment;
use artifact::{Timings, file, names};
use cifar::Dataset;
use clap::Args;
use engine::ClassFlags;
use inference::Model;
use serde::Serialize;
use sparsity::Checkpoint;
use stage::{Common, Job, Produce};

use crate::bench::{Pair, Timing};
use crate::calibrate::Activations;
use crate::pack::{How, contents, weights_bytes};
use crate::text::bytes;
use crate::verify;

/// Flags of `deployer deploy`.
#[derive(Debug, Args)]
pub struct Deploy {
    /// Artifact of finetuner, pruner, trainer or models import
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Dataset that it was trained on; its test images are what both are verified on
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    classes: ClassFlags,
    #[command(flatten)]
    timing: Timing,
    #[command(flatten)]
    produce: Produce,
}

/// The settings that change the result.
#[derive(Serialize)]
struct Config<'a> {
    how: How,
    #[serde(flatten)]
    classes: ClassFlags,
    timing: &'a Timing,
    /// Milliseconds depend on it.
    threads: usize,
}

impl Deploy {
    /// Packs, verifies, times and commits.
    pub fn run(&self, common: &Common) -> Result<()> {
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let data = Dataset::open(&self.data)?;
        let (flags, known) = (self.classes, checkpoint.network());
        let matched = flags.matched(&checkpoint.graph, known, data, &self.data)?;
        let inputs = [("checkpoint", self.checkpoint.as_path()), ("dataset", &self.data)];
        let config = Config {
            how: self.how,
            classes: self.classes,
            timing: &self.timing,
            threads: stage::threads(),
        };
        let begun = Job::start((common, &self.produce), "deployer", &config, &inputs)?;
        let Some(job) = begun else { return Ok(()) };
        let path = job.path(names::PACKED);
        let dense_bytes = weights_bytes(&checkpoint.manifest);
        let graph = checkpoint.graph.clone();
        let sparsity = sparsity::count(&graph, &checkpoint.tensors, &checkpoint.masks);
        let mut contents = contents(checkpoint, matched.network.clone())?;
        if self.how.integers.activations == Activations::Int8 {
            let found = self.how.integers.integers(&contents, &matched.data.train)?;
            contents.integers = Some(found);
        }
        file::write(&path, &packed::pack(&contents, &self.how.options())?)?;
        drop(contents);
        // What is verified and timed is the file as it lies there.
        let written = file::read(&path)?;
        let model = Model::new(packed::unpack(&written, &path)?, &path)?;
        let verification =
            verify::compare(&model, &Checkpoint::open(&self.checkpoint)?, &matched, &path)?;
        tracing::info!("{}", verify::text(&verification));
        let (lowered, removed) = model.network();
        let speed = |batch: &u32| {
            let pair = Pair::new((&model, &lowered), *batch as usize);
            pair.speed(&pair.times(self.timing.repeat as usize))
        };
        let speeds = self.timing.batch.iter().map(speed).collect();
        let timings = Timings { speeds, ..Timings::default() };
        let result = Deployment {
            values: model.options().values.to_string(),
            activations: self.how.integers.activations.name().into(),
            bytes: written.len() as u64,
            dense_bytes,
            sparsity,
            removed_channels: removed.channels,
            verification,
        };
        tracing::info!("{}", text(&result, &timings));
        job.timed(timings).finish(Some(matched.network), &result, &[names::PACKED])?;
        Ok(())
    }
}

fn text(result: &Deployment, timings: &Timings) -> String {
    let size = format!(
        "{}, {:.1} times smaller than the dense {}",
        bytes(result.bytes),
        result.dense_bytes as f64 / result.bytes as f64,
        bytes(result.dense_bytes)
    );
    let speeds = timings.speeds.iter().map(|s| {
        let faster = s.dense_milliseconds / s.milliseconds;
        format!("\nbatch {}: {:.3} ms an image, {faster:.2} x the dense", s.batch, s.milliseconds)
    });
    std::iter::once(size).chain(speeds).collect()
}
