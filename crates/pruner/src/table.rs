//! The layer table for people, on stderr.

use artifact::record::{Layer, Pruning};
use artifact::size::{mib, thousands};
use comfy_table::{CellAlignment, Table, presets};

/// Logs the layers of `result`, what they come to, and which of them are cut through.
pub fn show(result: &Pruning) {
    tracing::info!("{}\n{}", layers(&result.layers), summary(result));
    for layer in result.layers.iter().filter(|l| l.kept == 0) {
        tracing::warn!("{}: no weight is left, so nothing passes this layer", layer.name);
    }
}

/// One line a layer; 80 columns hold every layer of resnet18.
fn layers(layers: &[Layer]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["layer", "shape", "kept", "pruned", "sparsity", "share"]);
    for layer in layers {
        table.add_row(row(layer));
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i < 5 { 2 } else { 0 }));
        if i > 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn row(layer: &Layer) -> [String; 6] {
    let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
    [
        layer.name.clone(),
        shape.join("x"),
        thousands(layer.kept),
        thousands(layer.pruned),
        percent(layer.sparsity),
        percent(layer.share),
    ]
}

fn summary(result: &Pruning) -> String {
    let (s, ideal) = (&result.sparsity, result.sizes.ideal);
    let dense = s.parameters * 4;
    let biases = match result.bias_pruned {
        0 => String::new(),
        n => format!(" and {n} entries of biases"),
    };
    format!(
        "pruned {} of {} weights ({}){biases}\n\
         zero: {} of all parameters; MACs {:.1} M of {:.1} M\n\
         ideal size {:.2} MiB of {:.2} ({}); the shares are of it",
        thousands(result.layers.iter().map(|l| l.pruned).sum()),
        thousands(s.prunable),
        percent(s.of_prunable),
        percent(s.of_all),
        s.macs_sparse as f64 / 1e6,
        s.macs_dense as f64 / 1e6,
        mib(ideal),
        mib(dense),
        percent(ideal as f64 / dense as f64),
    )
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use graph::Graph;
    use sparsity::Masks;

    #[test]
    fn resnet18_fits_80_columns() {
        let graph = Graph::build("resnet18", 10, 32).expect("in the zoo");
        let text = layers(&sparsity::layers(&graph, &Masks::default(), |_| String::new()));
        assert_eq!(text.lines().count(), 22, "{text}");
        assert!(text.contains("\nlayer4.1.conv2.weight       512x512x3x3  2,359,296"), "{text}");
        let widest = text.lines().map(|l| l.chars().count()).max();
        assert!(widest <= Some(80), "{widest:?} columns:\n{text}");
    }
}
