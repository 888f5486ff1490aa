//! The subcommands.

use anyhow::Result;
use clap::{Parser, Subcommand};
use engine::AugmentFlags;
use stage::{Common, OnlyWith, Values};

use crate::{bench, conformance, diff, eval, export, golden, import, list, predict, show, summary};

/// Lists, summarises, evaluates, imports and exports networks.
#[derive(Debug, Parser)]
#[command(name = "models", arg_required_else_help = true)]
pub struct Models {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    common: Common,
}

/// Flags of `bench` and `eval` that act only beside others.
const RULES: &[OnlyWith] = &[
    OnlyWith::new("allocation", "sparsity", Values::NotZero),
    AugmentFlags::RECALIBRATE[0],
    AugmentFlags::RECALIBRATE[1],
    AugmentFlags::RECALIBRATE[2],
    AugmentFlags::RECALIBRATE[3],
];

#[derive(Debug, Subcommand)]
enum Task {
    /// The networks by name
    List,
    /// Layers, output shapes, parameters and work of a network
    Summary(summary::Summary),
    /// The text of a network's graph, which --network takes as a file
    Show(show::Show),
    /// Accuracy and sparsity of checkpoints on a dataset
    Eval(eval::Eval),
    /// A checkpoint from an ONNX file or a PyTorch state_dict (.onnx, .safetensors, .pth)
    Import(Box<import::Import>),
    /// A checkpoint as .safetensors for PyTorch, .npz or .onnx
    Export(export::Export),
    /// The logits of every image of a dataset's part, as a file
    Predict(predict::Predict),
    /// Which tensors of two checkpoints differ, and by how much
    Diff(diff::Diff),
    /// Recompute reference numbers and compare; exit code 1 beyond the tolerances
    Golden(golden::Golden),
    /// Hold every operation on a GPU to the processor; exit code 1 beyond the tolerances
    Conformance(conformance::Conformance),
    /// Milliseconds of a training step or an inference, dense or pruned
    Bench(bench::Bench),
}

impl stage::Command for Models {
    const SECTION: &'static str = "models";
    const ONLY_WITH: &'static [OnlyWith] = RULES;

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> Result<()> {
        match &self.task {
            Task::List => list::run(&self.common),
            Task::Summary(summary) => summary.run(&self.common),
            Task::Show(show) => show.run(),
            Task::Eval(eval) => eval.run(&self.common),
            Task::Import(import) => import.run(&self.common),
            Task::Export(export) => export.run(&self.common),
            Task::Predict(predict) => predict.run(&self.common),
            Task::Diff(diff) => diff.run(&self.common),
            Task::Golden(golden) => golden.run(&self.common),
            Task::Conformance(conformance) => conformance.run(&self.common),
            Task::Bench(bench) => bench.run(&self.common),
        }
    }
}
