//! `models conformance`: every operation on a GPU held to the processor.

use anyhow::{Result, bail};
use clap::Args;
use engine::{Precision, conformance, device};
use stage::Common;

/// Flags of `models conformance`.
#[derive(Debug, Args)]
pub struct Conformance {
    /// The GPU: cuda, or cuda:N for that of this number
    #[arg(long, default_value = "cuda", value_name = "DEVICE")]
    device: device::Choice,
    /// How to round; all ways if none is given
    #[arg(long, value_enum, value_delimiter = ',')]
    precision: Vec<Precision>,
}

impl Conformance {
    /// Runs all cases and prints a line each.
    pub fn run(&self, common: &Common) -> Result<()> {
        let device::Choice::Cuda(number) = self.device else {
            let what = "--device: expected cuda or cuda:N, which is held to the processor";
            return Err(artifact::Error::Config(what.into()).into());
        };
        let every = [Precision::F32, Precision::Tf32, Precision::Bf16];
        let asked = if self.precision.is_empty() { &every[..] } else { &self.precision };
        let (mut rows, mut bad) = (Vec::new(), 0);
        for precision in asked {
            let device = device::cuda(number, *precision)?;
            tracing::info!("{}", device.name());
            let all = conformance::run(&device, *precision, |d| {
                if !common.json {
                    let mark = if d.holds() { "" } else { "  TOO LARGE" };
                    let (what, found, most) = (&d.what, d.found, d.tolerance);
                    stage::print(&format!("{what:56} {found:>9.2e} {most:>8.0e}{mark}"));
                }
            })?;
            bad += all.iter().filter(|d| !d.holds()).count();
            rows.push(serde_json::json!({ "precision": precision, "cases": all }));
        }
        if common.json {
            stage::print_json(&rows);
        }
        if bad > 0 {
            bail!("{bad} cases are beyond tolerance");
        }
        Ok(())
    }
}
