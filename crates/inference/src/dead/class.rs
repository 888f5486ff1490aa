//! Channels that must stay or go together: those that are added, multiplied or worked on one by one.

use std::iter::repeat_n;

use crate::{Conv, Kind, Layer, Network};

/// The classes of all channels.
pub(super) struct Classes {
    /// The class of each channel, by layer.
    pub of: Vec<Vec<usize>>,
    /// Whether each class stays: at first those of layers that lose nothing.
    pub stays: Vec<bool>,
}

impl Classes {
    pub fn of(network: &Network) -> Self {
        let mut forest = Forest::default();
        let layers = &network.layers;
        let mut of: Vec<Vec<usize>> = layers.iter().map(|l| forest.plant(l.shape.c)).collect();
        for (i, layer) in layers.iter().enumerate() {
            for n in layer.reads().filter(|n| tied(layer, *n)) {
                let each = of[i].len() / of[n].len();
                let both = of[i].iter().zip(of[n].iter().flat_map(|c| repeat_n(*c, each)));
                both.for_each(|(to, from)| forest.join(*to, from));
            }
        }
        of.iter_mut().flatten().for_each(|c| *c = forest.root(*c));
        let mut stays = vec![false; forest.parent.len()];
        let pinned = of.iter().zip(pinned(network)).filter(|(_, pinned)| *pinned);
        pinned.flat_map(|(of, _)| of).for_each(|class| stays[*class] = true);
        Self { of, stays }
    }

    /// Whether each channel of `layer` stays.
    pub fn kept(&self, layer: usize) -> Vec<bool> {
        self.of[layer].iter().map(|class| self.stays[*class]).collect()
    }
}

/// Sets of channels: each has another of its set as its parent, or itself.
#[derive(Default)]
struct Forest {
    parent: Vec<usize>,
}

impl Forest {
    /// So many more, each a set.
    fn plant(&mut self, count: usize) -> Vec<usize> {
        let new = self.parent.len()..self.parent.len() + count;
        self.parent.extend(new.clone());
        new.collect()
    }

    /// The first of a set, which stands for it.
    fn root(&mut self, mut one: usize) -> usize {
        while self.parent[one] != one {
            self.parent[one] = self.parent[self.parent[one]];
            one = self.parent[one];
        }
        one
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }
}

/// Whether `layer` has the channels of layer `n`, which it reads; flattened it has each several times.
fn tied(layer: &Layer, n: usize) -> bool {
    match &layer.kind {
        Kind::Conv(conv) => layer.add == Some(n) || by_channel(conv),
        Kind::MaxPool(_)
        | Kind::AveragePool(_)
        | Kind::AdaptiveAverage(_)
        | Kind::Add
        | Kind::Multiply
        | Kind::PadBorders(_)
        | Kind::Flatten
        | Kind::Copy => true,
        // A list may lose a channel that its input keeps for other readers, and may keep one that its
        // input loses: as a known value.
        Kind::Gather(_) | Kind::Input | Kind::LayerNorm(_) => false,
    }
}

/// The layers that lose nothing.
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
        // A mean over all channels.
        Kind::LayerNorm(_) => true,
        Kind::Input
        | Kind::MaxPool(_)
        | Kind::AveragePool(_)
        | Kind::AdaptiveAverage(_)
        | Kind::Add
        | Kind::Multiply
        | Kind::Gather(_)
        | Kind::PadBorders(_)
        | Kind::Flatten
        | Kind::Copy => false,
    }
}

/// Whether each channel is a group, with one input and one output.
fn by_channel(conv: &Conv) -> bool {
    conv.groups > 1 && conv.groups == conv.bias.len() && conv.row() == conv.taps()
}
