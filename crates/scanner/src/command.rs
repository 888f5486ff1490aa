//! The command: flags and inputs.

use std::path::PathBuf;

use anyhow::Result;
use artifact::Error;
use artifact::pattern;
use cifar::Dataset;
use clap::{Args, Parser, Subcommand};
use engine::{AugmentFlags, ClassFlags, Net, device};
use serde::Serialize;
use sparsity::Checkpoint;
use stage::{Common, Job, OnlyWith, Produce, nearest};

use crate::scan;
use crate::scores::Scores;

/// Measures how much each layer's pruning costs.
///
/// Each layer alone is pruned by magnitude at each ratio, norm statistics are recalibrated on
/// training images, and the network is scored on validation images. Rows are written as they come:
/// an interrupted scan goes on where it was.
#[derive(Debug, Parser)]
#[command(
    name = "scanner",
    override_usage = USAGE,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Scanner {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    inputs: Option<Inputs>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    produce: Option<Produce>,
    #[command(flatten)]
    common: Common,
}

/// clap's own would not name the inputs.
const USAGE: &str = "scanner [OPTIONS] --checkpoint <DIR> --data <DIR> --out <DIR>
       scanner <COMMAND>";

/// What the scanner does beside scanning.
#[derive(Debug, Subcommand)]
enum Other {
    Scores(Box<Scores>),
}

/// What is scanned.
#[derive(Debug, Args)]
struct Inputs {
    /// Folder of a checkpoint
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
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
        let (inputs, produce) = match (self.other, self.inputs, self.produce) {
            (Some(Other::Scores(scores)), ..) => return scores.run(&self.common),
            (None, Some(inputs), Some(produce)) => (inputs, produce),
            (None, ..) => unreachable!("clap requires --checkpoint, --data and --out elsewhere"),
        };
        let Inputs { checkpoint: folder, data: images } = inputs;
        let device = self.config.device.open()?;
        let inputs = [("checkpoint", folder.as_path()), ("dataset", images.as_path())];
        let flags = (&self.common, &produce);
        // Inputs are checked before the artifact is begun: a bad one leaves nothing behind.
        let checkpoint = Checkpoint::open(&folder)?;
        let data = Dataset::open(&images)?;
        let (graph, known) = (&checkpoint.graph, checkpoint.network());
        let data = self.config.classes.matched(graph, known, data, &images)?.data;
        let layers = layers(&checkpoint, &self.config.layers)?;
        once(&self.config.ratios)?;
        let Some(job) = Job::start(flags, "scanner", &self.config, &inputs)? else { return Ok(()) };
        let seed = produce.seed;
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
