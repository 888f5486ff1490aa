//! `models show`: the text of a network's graph.

use std::path::PathBuf;

use anyhow::Result;
use artifact::{Error, Manifest, file};
use clap::Args;
use sparsity::Checkpoint;

use crate::foreign::usual;

/// Flags of `models show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Checkpoint folder, network name (optionally with @WIDTH), or file with a graph's text
    #[arg(value_name = "CHECKPOINT|NAME[@WIDTH]|FILE.net")]
    network: PathBuf,
    /// Number of classes of a network by name (default: 10)
    #[arg(long)]
    classes: Option<usize>,
    /// Height and width of its images in pixels; 0 takes those that it is published for
    #[arg(long, default_value_t = 0)]
    side: usize,
}

impl Show {
    /// Prints the text; the normalisation of images is logged.
    pub fn run(&self) -> Result<()> {
        let graph = if file::is_folder(&self.network)? {
            if self.classes.is_some() || self.side > 0 {
                let what =
                    "--classes, --side: have no effect on a checkpoint, whose network is fixed";
                return Err(Error::Config(what.into()).into());
            }
            let graph = Checkpoint::network_of(&self.network)?;
            let known = Manifest::read(&self.network)?.network.and_then(|n| n.normalisation);
            if let Some(normalisation) = known {
                tracing::info!("images are normalised with {normalisation}");
            }
            graph
        } else {
            usual(&self.network.to_string_lossy(), self.classes, self.side)?
        };
        stage::print(graph.to_string().trim_end());
        Ok(())
    }
}
