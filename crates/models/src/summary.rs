//! `models summary`: the layer table in the manner of torchsummary.

use anyhow::Result;
use artifact::size::{mib, thousands};
use clap::Args;
use graph::Graph;
use serde::Serialize;
use stage::Common;

use crate::foreign::usual;

/// Flags of `models summary`.
#[derive(Debug, Args)]
pub struct Summary {
    /// Network by name, with @WIDTH behind it if wanted, or the file of a graph's text
    #[arg(value_name = "NAME[@WIDTH]|FILE.net")]
    network: String,
    /// Number of classes (default: 10, or those of the file)
    #[arg(long)]
    classes: Option<usize>,
    /// Height and width of the images in pixels; 0 takes those that the network is published for
    #[arg(long, default_value_t = 0)]
    side: usize,
}

/// One layer.
#[derive(Serialize)]
struct Layer {
    name: String,
    kind: &'static str,
    /// -1 (any batch), channels and, of a map, height and width.
    output: Vec<i64>,
    parameters: u64,
    macs: u64,
}

/// The table and its totals.
#[derive(Serialize)]
struct Table {
    network: String,
    layers: Vec<Layer>,
    parameters: u64,
    trainable: u64,
    macs: u64,
    input_mib: f64,
    activations_mib: f64,
    parameters_mib: f64,
}

impl Summary {
    /// Prints the table.
    pub fn run(&self, common: &Common) -> Result<()> {
        let graph = usual(&self.network, self.classes, self.side)?;
        let table = table(&graph);
        if common.json {
            stage::print_json(&table);
        } else {
            stage::print(&text(&table));
        }
        Ok(())
    }
}

fn table(graph: &Graph) -> Table {
    let layers: Vec<Layer> = (1..graph.nodes().len()).map(|n| layer(graph, n)).collect();
    let values: usize = graph.nodes()[1..].iter().map(|n| n.shape.count()).sum();
    Table {
        network: graph.name().to_owned(),
        parameters: graph.parameters(),
        trainable: graph.parameters(),
        macs: graph.macs(),
        input_mib: mib(graph.nodes()[0].shape.count() as u64 * 4),
        activations_mib: mib(values as u64 * 4),
        parameters_mib: mib(graph.parameters() * 4),
        layers,
    }
}

fn layer(graph: &Graph, index: usize) -> Layer {
    let node = &graph.nodes()[index];
    let own = || graph.params().iter().filter(|p| p.node == index && p.trainable());
    let (c, h, w) = (node.shape.c as i64, node.shape.h as i64, node.shape.w as i64);
    let vector = node.shape.is_vector();
    Layer {
        name: node.name.clone(),
        kind: node.op.label(),
        output: if vector { vec![-1, c] } else { vec![-1, c, h, w] },
        parameters: own().map(|p| p.count() as u64).sum(),
        macs: own().filter(|p| p.prunable()).map(|p| graph.macs_of(p, p.count() as u64)).sum(),
    }
}

/// The end of a name that would not fit its column.
fn shortened(name: String) -> String {
    const WIDEST: usize = 41;
    match name.len().checked_sub(WIDEST) {
        None | Some(0) => name,
        Some(more) => format!("..{}", &name[more + 2..]),
    }
}

fn text(table: &Table) -> String {
    let rule = "-".repeat(79);
    let mut lines = vec![
        rule.clone(),
        format!("{:<42}{:<19}{:>9}{:>9}", "Layer (type)", "Output shape", "Params", "MACs"),
        "=".repeat(79),
    ];
    for l in &table.layers {
        let name = shortened(format!("{} ({})", l.name, l.kind));
        let macs =
            if l.macs == 0 { String::new() } else { format!("{:.2} M", l.macs as f64 / 1e6) };
        let output = format!("{:?}", l.output);
        lines.push(format!("{name:<42}{output:<19}{:>9}{macs:>9}", l.parameters));
    }
    lines.push("=".repeat(79));
    lines.push(format!("Total parameters: {}", thousands(table.parameters)));
    lines.push(format!("Trainable parameters: {}", thousands(table.trainable)));
    lines.push(format!(
        "Multiply-accumulates (MACs; convolutions and linear layers): {:.1} M",
        table.macs as f64 / 1e6
    ));
    lines.push(rule.clone());
    lines.push(format!("Input size (MiB): {:.2}", table.input_mib));
    lines.push(format!("Forward activations (MiB): {:.2}", table.activations_mib));
    lines.push(format!("Parameters (MiB): {:.2}", table.parameters_mib));
    lines.push(rule);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_eighty_columns_and_adds_up() {
        for name in graph::names() {
            let table =
                table(&Graph::build(name, 10, graph::usual_side(name)).expect("in the zoo"));
            assert_eq!(table.layers.iter().map(|l| l.parameters).sum::<u64>(), table.parameters);
            assert_eq!(table.layers.iter().map(|l| l.macs).sum::<u64>(), table.macs);
            let widest = text(&table).lines().map(str::len).max();
            assert!(widest.is_some_and(|w| w <= 80), "{name}: {widest:?} columns");
        }
    }
}
