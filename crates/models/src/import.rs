//! `models import`: a checkpoint of ours from a file of `PyTorch`'s.

use std::path::PathBuf;

use anyhow::Result;
use artifact::record::Import as Record;
use artifact::{names, size, tensors};
use clap::Args;
use serde::Serialize;
use stage::{Common, Job, Produce};

use crate::foreign::{Fitting, Found};

/// Flags of `models import`.
#[derive(Debug, Args)]
pub struct Import {
    /// A state_dict: .safetensors, or .pth as torch.save writes it (nothing in it is ever run)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Number of classes of the last layer (default: 10, or those of the graph's text)
    #[arg(long)]
    classes: Option<usize>,
    #[command(flatten)]
    fitting: Fitting,
    /// Draw the last layer anew where the file has it for another number of classes
    #[arg(long)]
    replace_head: bool,
    #[command(flatten)]
    produce: Produce,
}

/// Every setting that can change the result.
#[derive(Serialize)]
struct Config<'a> {
    network: Option<&'a str>,
    classes: usize,
    side: usize,
    key: Option<&'a str>,
    // Not there where it is not given: imports of earlier versions, which had no such flags, are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ignore: &'a [String],
    replace_head: bool,
}

impl Import {
    /// Reads, checks and commits.
    pub fn run(&self, common: &Common) -> Result<()> {
        let fitting = &self.fitting;
        let head = self.replace_head.then_some(self.produce.seed);
        let found = fitting.read(&self.file, self.classes, head)?;
        let config = Config {
            network: fitting.network.as_deref(),
            classes: found.graph.classes(),
            side: found.graph.images().h,
            key: fitting.key.as_deref(),
            prefix: fitting.prefix.as_deref(),
            ignore: &fitting.ignore,
            replace_head: self.replace_head,
        };
        let masks = fitting.masks.as_deref().map(|path| ("masks", path));
        let inputs: Vec<_> = [("file", self.file.as_path())].into_iter().chain(masks).collect();
        let shared = (common, &self.produce);
        match Job::start(shared, "models", &config, &inputs)? {
            Some(job) => finish(job, &found),
            None => Ok(()),
        }
    }
}

fn finish(job: Job, found: &Found) -> Result<()> {
    let (graph, masks) = (&found.graph, &found.masks);
    for note in &found.notes {
        tracing::info!("{note}");
    }
    let model = job.path(names::MODEL);
    tensors::write(&model, &found.tensors, None)?;
    let mut outputs = vec![names::MODEL];
    if !masks.is_empty() {
        tensors::write(&job.path(names::MASK), &masks.tensors(graph), None)?;
        outputs.push(names::MASK);
    }
    let sparsity = sparsity::count(graph, &found.tensors, masks);
    tracing::info!(
        "{}: {} parameters, {:.2}% of them zero",
        graph.name(),
        size::thousands(sparsity.parameters),
        sparsity.of_all * 100.0
    );
    let sizes = size::measure(&model, sparsity.nonzero)?;
    let result = Record { notes: found.notes.clone(), sparsity, sizes };
    Ok(job.finish(Some(graph.network()), &result, &outputs)?)
}
