//! `pruner`: decides which weights of a checkpoint go, and why.
//!
//! It reads a checkpoint and a target, a plan or a scan, and writes the mask, the pruned weights
//! and each layer's reason. It measures nothing: it never runs a network.

mod beta;
mod cli;
mod plan;
mod prune;
mod size;
mod table;

fn main() -> std::process::ExitCode {
    stage::run::<cli::Cli>()
}
