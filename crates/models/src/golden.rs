//! `models golden`: the network against reference numbers.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use engine::device;
use stage::Common;

/// Flags of `models golden`.
#[derive(Debug, Args)]
pub struct Golden {
    /// Golden file (JSON)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    device: device::Flags,
}

impl Golden {
    /// Prints each difference; fails where one is beyond its tolerance.
    pub fn run(&self, common: &Common) -> Result<()> {
        let golden = engine::golden::Golden::read(&self.file)?;
        let all = golden.compare(&self.device.in_f32()?)?;
        if common.json {
            stage::print_json(&all);
        } else {
            stage::print(&format!("{:<48}{:>12}{:>12}", golden.model, "difference", "tolerance"));
        }
        for d in all.iter().filter(|_| !common.json) {
            let mark = if d.holds() { "" } else { "  TOO LARGE" };
            stage::print(&format!("{:<48}{:>12.2e}{:>12.0e}{mark}", d.what, d.found, d.tolerance));
        }
        let beyond = all.iter().filter(|d| !d.holds()).count();
        if beyond > 0 {
            bail!("{}: {beyond} of {} numbers beyond tolerance", self.file.display(), all.len());
        }
        Ok(())
    }
}
