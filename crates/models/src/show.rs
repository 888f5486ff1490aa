//! `models show`: the text of a network's graph.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::manifest::Manifest;
use artifact::{Error, file};
use clap::Args;
use graph::Graph;

use crate::foreign::usual;

/// Flags of `models show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Checkpoint folder, or a network by name with @WIDTH behind it if wanted
    #[arg(value_name = "CHECKPOINT|NAME[@WIDTH]")]
    network: PathBuf,
    /// Number of classes of a network by name (default: 10)
    #[arg(long)]
    classes: Option<usize>,
    /// Height and width of its images in pixels; 0 takes those that it is published for
    #[arg(long, default_value_t = 0)]
    side: usize,
}

impl Show {
    /// Prints the text.
    pub fn run(&self) -> Result<()> {
        let graph = if file::is_folder(&self.network)? {
            of_folder(&self.network)?
        } else {
            usual(&self.network.to_string_lossy(), self.classes, self.side)?
        };
        stage::print(graph.to_string().trim_end());
        Ok(())
    }
}

fn of_folder(folder: &Path) -> artifact::Result<Graph> {
    match Manifest::read(folder)?.network {
        Some(network) => Graph::of(&network),
        None => Err(Error::Config(format!("{}: this artifact has no network", folder.display()))),
    }
}
