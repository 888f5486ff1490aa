//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use method::MethodFlags;
use method::number::{fraction, share};
use sparsity::schedule;
use stage::{Common, Produce};

use crate::{beta, plan, prune, size};

/// clap's own would be wider than a terminal.
const USAGE: &str = "pruner [OPTIONS] --checkpoint <DIR> --out <DIR>
              <--sparsity <S>|--plan <FILE>>
       pruner <COMMAND>";

/// Prune a checkpoint: write its mask, its pruned weights and the reason for each layer
///
/// With --sparsity exactly round(S x weights) go, ranked by score, ties by position; with --plan
/// each layer loses its own share. Weights that are pruned already stay pruned and count towards
/// the target, so that a tuned checkpoint can be pruned on, round by round (--rate).
#[derive(Debug, Parser)]
#[command(
    name = "pruner",
    override_usage = USAGE,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    prune: Option<Prune>,
    #[command(flatten)]
    method: MethodFlags,
    #[command(flatten)]
    produce: Option<Produce>,
    #[command(flatten)]
    common: Common,
}

/// What the pruner does beside pruning.
#[derive(Debug, Subcommand)]
enum Other {
    /// The default command by name, as the other binaries' are
    #[command(hide = true)]
    Prune(Box<Whole>),
    Plan(PlanFrom),
    Size(SizeOf),
    Rounds(Rounds),
}

/// The default command with all its flags.
#[derive(Debug, Args)]
struct Whole {
    #[command(flatten)]
    prune: Prune,
    #[command(flatten)]
    method: MethodFlags,
    #[command(flatten)]
    produce: Produce,
}

/// Flags of the default command, beside those of every artifact.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("target").args(["sparsity", "plan"]).required(true))]
pub struct Prune {
    /// Artifact of trainer, finetuner or pruner whose weights are pruned
    #[arg(long, value_name = "DIR")]
    pub checkpoint: PathBuf,
    /// Share of the weights (of the units of --structure) to prune, over 0 and below 1: of all prunable ones, or of each
    /// layer's with --allocation uniform
    #[arg(
        long,
        value_name = "S",
        value_parser = fraction,
        allow_negative_numbers = true
    )]
    pub sparsity: Option<f64>,
    /// YAML file with a ratio a layer, such as `layers: {backbone.conv4.weight: 0.30}`; layers
    /// that it does not name are not pruned
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allocation", "exclude"])]
    pub plan: Option<PathBuf>,
    /// Artifact of scanner scores for this checkpoint, with --score taylor, fisher or wanda
    #[arg(long, value_name = "DIR")]
    pub scores: Option<PathBuf>,
    /// Also prune the N smallest entries of each bias of a convolution or linear layer
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub bias_entries: u64,
    /// Prune one round of an iterative schedule: this share of what remains, up to --sparsity
    #[arg(
        long,
        value_name = "R",
        value_parser = fraction,
        allow_negative_numbers = true,
        conflicts_with = "plan"
    )]
    pub rate: Option<f64>,
}

/// Write a plan from a sensitivity scan
///
/// Each layer gets the largest scanned ratio whose drop of validation accuracy is at most
/// --max-drop, or 0 where none is; or, with --beta, its present sparsity s and a share more of what
/// is left: s + (1 - s) x BETA. Comments in the file say why.
#[derive(Debug, Args)]
pub struct PlanFrom {
    /// Artifact of the scanner
    #[arg(long, value_name = "DIR", alias = "scan")]
    pub from_scan: PathBuf,
    /// Largest drop of accuracy that one layer may cause, as a fraction (0.02 is 2 points)
    #[arg(
        long,
        value_name = "DROP",
        default_value_t = 0.02,
        value_parser = share,
        allow_negative_numbers = true
    )]
    pub max_drop: f64,
    /// Share of what is left to prune, read off the scan's curves: one for all layers, or by name
    /// (`backbone.conv4.*=0.3,classifier.weight=0`; the last that fits counts, others stay)
    #[arg(
        long,
        value_name = "BETA|NAME=BETA,...",
        value_delimiter = ',',
        value_parser = beta::beta,
        conflicts_with = "max_drop"
    )]
    pub beta: Vec<Beta>,
    /// The plan to write
    #[arg(long, value_name = "FILE.yaml")]
    pub out: PathBuf,
    /// Overwrite --out where another plan stands there
    #[arg(long)]
    pub fresh: bool,
}

/// A share of what is left of the layers that a pattern names.
#[derive(Debug, Clone, PartialEq)]
pub struct Beta {
    /// With `*` for any text.
    pub pattern: String,
    /// From 0 to 1.
    pub value: f64,
}

/// Print the ideal size of a network under a plan, without a checkpoint
///
/// Ideal size: parameters that are not zero (norms and biases too) x 32 bit; beside it the share
/// of the dense network's.
#[derive(Debug, Args)]
pub struct SizeOf {
    /// Network, with its width where it is not 1 (`vgg-lab`, `resnet18@0.25`)
    #[arg(long, value_name = "NAME")]
    pub network: String,
    /// YAML file with a ratio a layer
    #[arg(long, value_name = "PLAN.yaml")]
    pub plan: PathBuf,
    /// Number of classes
    #[arg(long, default_value_t = 10)]
    pub classes: usize,
    /// Height and width of the input in pixels
    #[arg(long, default_value_t = 32)]
    pub side: usize,
}

/// Print how many rounds of --rate lead to --sparsity
#[derive(Debug, Args)]
pub struct Rounds {
    /// Share of the weights that is pruned at the end
    #[arg(
        long,
        value_name = "S",
        value_parser = fraction,
        allow_negative_numbers = true
    )]
    pub sparsity: f64,
    /// Share of what remains that each round prunes
    #[arg(
        long,
        value_name = "R",
        value_parser = fraction,
        allow_negative_numbers = true
    )]
    pub rate: f64,
}

impl stage::Command for Cli {
    const SECTION: &'static str = "pruner";

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> anyhow::Result<()> {
        match (self.other, self.prune.zip(self.produce)) {
            (Some(Other::Prune(all)), _) => {
                prune::run((&all.prune, &all.method), (&self.common, &all.produce))
            }
            (Some(Other::Plan(flags)), _) => plan::run(&flags, &self.common),
            (Some(Other::Size(flags)), _) => size::run(&flags, &self.common),
            (Some(Other::Rounds(flags)), _) => {
                stage::print(&schedule::rounds(flags.rate, flags.sparsity).to_string());
                Ok(())
            }
            (None, Some((flags, produce))) => {
                prune::run((&flags, &self.method), (&self.common, &produce))
            }
            (None, None) => unreachable!("clap requires --checkpoint and --out elsewhere"),
        }
    }
}
