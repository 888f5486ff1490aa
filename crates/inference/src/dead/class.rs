//! Layers that must have the same channels: those that are added, multiplied or worked on channel
//! by channel.

use crate::{Conv, Kind, Network};

/// Layers that lose the same channels.
pub(super) struct Class {
    /// In order.
    pub layers: Vec<usize>,
    /// Whether they lose none.
    pub pinned: bool,
}

/// All layers, each in one class.
pub(super) fn classes(network: &Network) -> Vec<Class> {
    let count = network.layers.len();
    let mut label: Vec<usize> = (0..count).collect();
    for (i, layer) in network.layers.iter().enumerate() {
        for n in layer.reads().filter(|n| tied(network, i, *n)) {
            let (from, to) = (label[i], label[n]);
            label.iter_mut().filter(|l| **l == from).for_each(|l| *l = to);
        }
    }
    let pinned = pinned(network);
    let of = |class: usize| -> Vec<_> { (0..count).filter(|i| label[*i] == class).collect() };
    let all = (0..count).map(of).filter(|layers| !layers.is_empty());
    all.map(|layers| Class { pinned: layers.iter().any(|l| pinned[*l]), layers }).collect()
}

/// Whether layer `i` has the channels of layer `n`, which it reads.
fn tied(network: &Network, i: usize, n: usize) -> bool {
    let layer = &network.layers[i];
    match &layer.kind {
        Kind::Conv(conv) => layer.add == Some(n) || by_channel(conv),
        Kind::MaxPool(_)
        | Kind::AveragePool(_)
        | Kind::AdaptiveAverage(_)
        | Kind::Add
        | Kind::Multiply
        | Kind::PadBorders(_)
        | Kind::Copy => true,
        Kind::Input
        | Kind::LayerNorm(_)
        | Kind::Concat
        | Kind::Slice(_)
        | Kind::Shuffle(_)
        | Kind::PadChannels(_)
        | Kind::Flatten => false,
    }
}

fn pinned(network: &Network) -> Vec<bool> {
    let mut pinned = vec![false; network.layers.len()];
    pinned[0] = true;
    *pinned.last_mut().expect("a network has layers") = true;
    for (i, layer) in network.layers.iter().enumerate() {
        if takes_all(&layer.kind) {
            pinned[i] = true;
            layer.inputs.iter().for_each(|n| pinned[*n] = true);
        }
    }
    pinned
}

/// Whether a layer needs all channels that it reads, and keeps all that it gives.
fn takes_all(kind: &Kind) -> bool {
    match kind {
        Kind::Conv(conv) => conv.groups > 1 && !by_channel(conv),
        // Which channel is which follows from how many there are.
        Kind::Concat
        | Kind::Slice(_)
        | Kind::Shuffle(_)
        | Kind::PadChannels(_)
        | Kind::Flatten
        // A mean over all channels.
        | Kind::LayerNorm(_) => true,
        Kind::Input
        | Kind::MaxPool(_)
        | Kind::AveragePool(_)
        | Kind::AdaptiveAverage(_)
        | Kind::Add
        | Kind::Multiply
        | Kind::PadBorders(_)
        | Kind::Copy => false,
    }
}

/// Whether each channel is a group, with one input and one output.
fn by_channel(conv: &Conv) -> bool {
    conv.groups > 1 && conv.groups == conv.bias.len() && conv.row() == conv.taps()
}
