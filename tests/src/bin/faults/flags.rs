//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Runs every stage under faults and counts what goes wrong; exit status 1 if anything does.
#[derive(Debug, Parser)]
#[command(name = "faults")]
pub struct Flags {
    /// Folder of the release binaries
    #[arg(long, value_name = "DIR", default_value = "target/release")]
    pub bin: PathBuf,
    /// Only trials whose name (stage/kind/start/detail) contains this text, or matches it with *
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<String>,
    /// One or two trials of each stage and kind, for CI
    #[arg(long)]
    pub quick: bool,
    /// Seed of the places and mutations that are tried
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the folder of each failed trial in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Trials that run at the same time; 0 takes one a core
    #[arg(long, default_value_t = 0)]
    pub jobs: usize,
}

impl Flags {
    /// Whether the trial `name` was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| {
            name.contains(only) || artifact::pattern::matches(&format!("*{only}*"), name)
        })
    }
}
