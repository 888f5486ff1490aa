//! The command: flags and inputs.

use std::path::PathBuf;

use anyhow::Result;
use artifact::Error;
use artifact::pattern;
use cifar::Dataset;
use clap::Parser;
use engine::{AugmentFlags, ClassFlags, Net, device};
use serde::Serialize;
use sparsity::Checkpoint;
use stage::{Common, Job, OnlyWith, Produce, nearest};

use crate::scan;

/// Measures how much each layer's pruning costs.
///
/// Each layer alone is pruned by magnitude at each ratio, norm statistics are recalibrated on
/// training images, and the network is scored on validation images. Rows are written as they come:
/// an interrupted scan goes on where it was.
#[derive(Debug, Parser)]
#[command(name = "scanner")]
pub struct Scanner {
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
    #[command(flatten)]
    common: Common,
}

/// Every setting that can change the result.
#[derive(Debug, clap::Args, Serialize)]
pub struct Config {
    /// Ratios of a layer's remaining weights to prune
    #[arg(long, value_delimiter = ',', default_value = "0.4,0.5,0.6,0.7,0.8,0.9",
          value_parser = ratio)]
    pub ratios: Vec<f64>,
    /// Weights to scan, by name, with * for any text (`backbone.conv*,classifier.weight`); all
    /// prunable ones if none is given
    #[arg(long, value_delimiter = ',', value_name = "PATTERN,...")]
    pub layers: Vec<String>,
    /// Training images for the norm statistics at each point; 0 keeps the statistics as they are
    #[arg(long, default_value_t = 512)]
    pub recalibration_images: usize,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub augment: AugmentFlags,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub device: device::Flags,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub classes: ClassFlags,
}

impl stage::Command for Scanner {
    const SECTION: &'static str = "scanner";
    const ONLY_WITH: &'static [OnlyWith] = AugmentFlags::RECALIBRATE;

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(mut self) -> Result<()> {
        let device = self.config.device.open()?;
        let inputs = [("checkpoint", self.checkpoint.as_path()), ("dataset", self.data.as_path())];
        let flags = (&self.common, &self.produce);
        // Inputs are checked before the artifact is begun: a bad one leaves nothing behind.
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let data = Dataset::open(&self.data)?;
        let (graph, known) = (&checkpoint.graph, checkpoint.network());
        let data = self.config.classes.matched(graph, known, data, &self.data)?.data;
        let layers = layers(&checkpoint, &self.config.layers)?;
        once(&self.config.ratios)?;
        let Some(job) = Job::start(flags, "scanner", &self.config, &inputs)? else { return Ok(()) };
        let seed = self.produce.seed;
        let net = Net::load(checkpoint.graph.clone(), &checkpoint.tensors, &device)?;
        scan::run(scan::Task { checkpoint, data, layers, config: self.config, seed, net }, job)
    }
}

/// The names to scan in the network's order.
fn layers(checkpoint: &Checkpoint, asked: &[String]) -> Result<Vec<String>> {
    let all: Vec<String> = checkpoint.graph.prunable().map(|p| p.name.clone()).collect();
    if let Some(idle) = asked.iter().find(|a| !all.iter().any(|name| pattern::matches(a, name))) {
        let hint = nearest::hint(idle, all.iter().map(String::as_str));
        return Err(Error::Config(format!(
            "--layers {idle}: {} has no such prunable weight{hint}; * stands for any text",
            checkpoint.graph.name()
        ))
        .into());
    }
    let wanted =
        |name: &String| asked.is_empty() || asked.iter().any(|a| pattern::matches(a, name));
    Ok(all.into_iter().filter(wanted).collect())
}

/// Refuses a ratio that is asked for twice: its rows would be the same.
fn once(ratios: &[f64]) -> Result<()> {
    let again = ratios.iter().enumerate().find(|(i, r)| ratios[..*i].contains(r));
    again.map_or(Ok(()), |(_, ratio)| {
        Err(Error::Config(format!("--ratios {ratio}: is there twice; give each ratio once")).into())
    })
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err("expected a fraction from 0 to 1".into()),
    }
}
