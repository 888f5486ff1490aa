//! The subcommands.

use anyhow::Result;
use artifact::Error;
use clap::{Parser, Subcommand};
use kernels::isa;
use stage::Common;

use crate::{bench, deploy, inspect, pack, predict, unpack, verify};

/// Packs a pruned checkpoint into one small file, runs it, verifies and times it.
#[derive(Debug, Parser)]
#[command(name = "deployer", arg_required_else_help = true)]
pub struct Deployer {
    #[command(subcommand)]
    task: Task,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Pack a checkpoint into a file
    Pack(pack::Pack),
    /// Restore the checkpoint of a packed file, bit for bit where its values are f32
    Unpack(unpack::Unpack),
    /// Where a packed file's bytes go, tensor by tensor
    Inspect(inspect::Inspect),
    /// Compare a packed file with its checkpoint, image by image; exit code 5 on any doubt
    Verify(verify::Verify),
    /// Milliseconds an image of a packed file, layer by layer, beside the dense network's
    Bench(bench::Bench),
    /// Classes of pictures (PNG, JPEG, WebP, BMP of any size, or folders of them)
    Predict(predict::Predict),
    /// Pack, verify and time in one: an artifact for the report
    Deploy(deploy::Deploy),
}

impl stage::Command for Deployer {
    const SECTION: &'static str = "deployer";

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> Result<()> {
        // Words that the kernels' variables do not have are refused before anything is read.
        isa::name().and(isa::plain().map(|_| "")).map_err(Error::Config)?;
        match &self.task {
            Task::Pack(pack) => pack.run(&self.common),
            Task::Unpack(unpack) => unpack.run(&self.common),
            Task::Inspect(inspect) => inspect.run(&self.common),
            Task::Verify(verify) => verify.run(&self.common),
            Task::Bench(bench) => bench.run(&self.common),
            Task::Predict(predict) => predict.run(&self.common),
            Task::Deploy(deploy) => deploy.run(&self.common),
        }
    }
}
