//! The flags that binaries share, declared once.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Worker threads; 0 takes one a core. The result does not depend on it
    #[arg(long, default_value_t = 0, value_parser = threads, global = true, help_heading = "Common")]
    pub threads: usize,
    /// Print the result as JSON on stdout
    #[arg(long, global = true, help_heading = "Common")]
    pub json: bool,
    /// YAML file with a section a stage; its keys are that stage's flags, which override them
    #[arg(long, value_name = "FILE", global = true, help_heading = "Common")]
    pub recipe: Option<PathBuf>,
    /// Say more on stderr (twice: everything)
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Common")]
    pub verbose: u8,
    /// Say nothing on stderr but warnings and errors
    #[arg(short, long, conflicts_with = "verbose", global = true, help_heading = "Common")]
    pub quiet: bool,
}

/// Flags of every command that makes an artifact.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct Produce {
    /// Folder of the artifact; it appears when it is complete
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of all randomness of this stage
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Discard a finished or unfinished artifact at --out and make it again
    #[arg(long)]
    pub fresh: bool,
    /// Print the resolved settings and inputs, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// More threads than any machine of today has cores would only exhaust it.
const MOST_THREADS: usize = 1024;

fn threads(text: &str) -> Result<usize, String> {
    let known = text.parse().ok().filter(|n| *n <= MOST_THREADS);
    known.ok_or_else(|| format!("expected a whole number from 0 to {MOST_THREADS}"))
}
