//! Layers whose outputs are rounded alike.

use inference::{Kind, Layer, Network};

/// For each layer, the first of those that it is rounded alike with.
pub fn ties(network: &Network) -> Vec<usize> {
    let layers = &network.layers;
    let mut first: Vec<usize> = (0..layers.len()).collect();
    for (n, layer) in layers.iter().enumerate().filter(|(_, layer)| moves(layer)) {
        for input in &layer.inputs {
            let (a, b) = (first[n], first[*input]);
            let (kept, gone) = (a.min(b), a.max(b));
            first.iter_mut().filter(|f| **f == gone).for_each(|f| *f = kept);
        }
    }
    first
}

/// Whether each value of a layer's output is one that it reads, or a constant.
fn moves(layer: &Layer) -> bool {
    let moved = match layer.kind {
        Kind::MaxPool(_) | Kind::Gather(_) | Kind::PadBorders(_) | Kind::Flatten | Kind::Copy => {
            true
        }
        Kind::Input
        | Kind::Conv(_)
        | Kind::LayerNorm(_)
        | Kind::AveragePool(_)
        | Kind::AdaptiveAverage(_)
        | Kind::Add
        | Kind::Multiply => false,
    };
    moved && layer.activation.is_none()
}
