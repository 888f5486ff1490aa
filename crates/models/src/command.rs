//! The subcommands.

use anyhow::Result;
use clap::{Parser, Subcommand};
use stage::Common;

use crate::{bench, eval, golden, list, summary};

/// Lists, summarises and evaluates networks.
#[derive(Debug, Parser)]
#[command(name = "models", arg_required_else_help = true)]
pub struct Models {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// The networks by name
    List,
    /// Layers, output shapes, parameters and work of a network
    Summary(summary::Summary),
    /// Accuracy and sparsity of checkpoints on a dataset
    Eval(eval::Eval),
    /// Recompute reference numbers and compare; exit code 1 beyond the tolerances
    Golden(golden::Golden),
    /// Milliseconds of a training step or an inference, dense or pruned
    Bench(bench::Bench),
}

impl stage::Command for Models {
    const SECTION: &'static str = "models";

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> Result<()> {
        match &self.task {
            Task::List => list::run(&self.common),
            Task::Summary(summary) => summary.run(&self.common),
            Task::Eval(eval) => eval.run(&self.common),
            Task::Golden(golden) => golden.run(&self.common),
            Task::Bench(bench) => bench.run(&self.common),
        }
    }
}
