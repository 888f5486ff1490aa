//! `models list`.

use anyhow::Result;
use graph::Graph;
use serde::Serialize;
use stage::Common;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    parameters: u64,
    macs: u64,
    about: &'static str,
}

/// Prints every network with its size for ten classes of images of its usual size.
pub fn run(common: &Common) -> Result<()> {
    let row = |name: &'static str| -> Result<Row> {
        let graph = Graph::build(name, 10, graph::usual_side(name))?;
        let (parameters, macs) = (graph.parameters(), graph.macs());
        Ok(Row { name, parameters, macs, about: graph::about(name) })
    };
    let rows = graph::names().map(row).collect::<Result<Vec<_>>>()?;
    if common.json {
        stage::print_json(&rows);
        return Ok(());
    }
    for r in rows {
        let (parameters, macs) = (r.parameters as f64 / 1e6, r.macs as f64 / 1e6);
        stage::print(&format!("{:<16}{parameters:>6.2} M parameters {macs:>7.1} M MACs", r.name));
        stage::print(&format!("                {}", r.about));
    }
    stage::print("\nAny of them takes a width multiplier: resnet18@0.25");
    Ok(())
}
