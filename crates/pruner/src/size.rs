//! `pruner size`: what a network under a plan would weigh, without a checkpoint.

use artifact::size::mib;
use graph::Graph;
use serde::Serialize;
use sparsity::Plan;
use stage::Common;

use crate::cli::SizeOf;

/// The ideal size of a network under a plan.
#[derive(Debug, Serialize)]
struct Forecast {
    /// The network.
    network: String,
    /// Trainable parameters.
    parameters: u64,
    /// Those that the plan leaves.
    nonzero: u64,
    /// `nonzero` x 32 bit, in bytes.
    ideal_bytes: u64,
    /// The same in MiB, two decimals.
    ideal_mib: f64,
    /// Percent of the dense network's, two decimals.
    share_percent: f64,
}

/// Prints the size that `flags` ask for.
pub fn run(flags: &SizeOf, common: &Common) -> anyhow::Result<()> {
    let graph = Graph::build(&flags.network, flags.classes, flags.side)?;
    let found = forecast(&graph, &Plan::read(&flags.plan, &graph)?);
    if common.json {
        stage::print_json(&found);
    } else {
        stage::print(&format!("{:.2} MiB, {:.2} %", found.ideal_mib, found.share_percent));
    }
    Ok(())
}

fn forecast(graph: &Graph, plan: &Plan) -> Forecast {
    let parameters = graph.parameters();
    let nonzero = parameters - graph.prunable().map(|p| plan.pruned(p)).sum::<u64>();
    Forecast {
        network: graph.name().to_string(),
        parameters,
        nonzero,
        ideal_bytes: nonzero * 4,
        ideal_mib: two_decimals(mib(nonzero * 4)),
        share_percent: two_decimals(100.0 * nonzero as f64 / parameters as f64),
    }
}

fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
