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
        _ => true,
    }
}

fn pinned(network: &Network) -> Vec<bool> {
    let mut pinned = vec![false; network.layers.len()];
    pinned[0] = true;
    *pinned.last_mut().expect("a network has layers") = true;
    for (i, layer) in network.layers.iter().enumerate() {
        if matches!(&layer.kind, Kind::Conv(conv) if conv.groups > 1 && !by_channel(conv)) {
            pinned[i] = true;
            pinned[layer.inputs[0]] = true;
        }
    }
    pinned
}

/// Whether each channel is a group, with one input and one output.
fn by_channel(conv: &Conv) -> bool {
    conv.groups > 1 && conv.groups == conv.bias.len() && conv.row() == conv.taps()
}
