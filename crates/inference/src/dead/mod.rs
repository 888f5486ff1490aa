//! Channels without use, taken out of a network: those that have one value whatever the image, and
//! those that nothing reads. The answers stay as they were, but for the rounding of changed weights.
//!
//! What is known of each channel is found by [`facts`], which of them must go together by
//! [`class`], which of them go by [`cut`]; [`rewrite`] gives the layers that remain. Channels
//! that nearly do nothing are not looked for: that is pruning.

mod class;
mod cut;
mod facts;
mod rewrite;

use std::collections::BTreeMap;

use crate::{Conv, Kind, Layer, Network, Weight};
use cut::Cut;
use facts::Facts;

/// What [`Network::without_dead_channels`] took out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Output channels of convolutions and linear layers that went.
    pub channels: usize,
    /// How many there were in all.
    pub of: usize,
    /// Name of each such layer that lost any, its output channels before and after; none are left of
    /// one that is gone.
    pub layers: Vec<(String, usize, usize)>,
}

impl Network {
    /// The same answers by fewer channels, and what went. Each layer keeps at least one, or goes where
    /// no other reads it any more; images and logits keep all of theirs, and so does what a layer norm
    /// or a convolution in several groups reads and gives, unless each channel is a group.
    ///
    /// A channel goes if its value is known, or not asked for, wherever layers must have the same
    /// channels. A list of moved channels (a concatenation, a slice, a shuffle) need not have those of
    /// what it reads: it is cut down to what is asked of it, and holds known values itself.
    ///
    /// What a channel gave to the next convolution becomes part of that one's bias. Where zeros are
    /// padded around it that would be wrong at the border: then one of those of known value stays and
    /// stands in for the others.
    ///
    /// # Panics
    /// If weights are integers: channels would need a rounding each.
    #[must_use]
    pub fn without_dead_channels(mut self) -> (Self, Removed) {
        let before = outputs(&self);
        // Nearly always once is enough. But what stands in for one that is gone need not be as
        // large, and then two convolutions may share theirs.
        loop {
            self = self.without_unread();
            let facts = Facts::of(&self);
            let cut = Cut::of(&self, &facts);
            if cut.kept.iter().flatten().all(|kept| *kept) {
                break;
            }
            let layers = self.layers.into_iter().enumerate();
            self.layers = layers.map(|(i, layer)| cut.apply(&facts, i, layer)).collect();
        }
        let removed = Removed::of(before, &self);
        (self, removed)
    }
}

/// Output channels of each convolution and linear layer, by name.
fn outputs(network: &Network) -> Vec<(String, usize)> {
    let conv = |layer: &&Layer| matches!(layer.kind, Kind::Conv(_));
    network.layers.iter().filter(conv).map(|l| (l.name.clone(), l.shape.c)).collect()
}

impl Removed {
    /// What went since the layers had as many channels as `before`.
    fn of(before: Vec<(String, usize)>, network: &Network) -> Self {
        let after: BTreeMap<String, usize> = outputs(network).into_iter().collect();
        let of = before.iter().map(|(_, before)| before).sum();
        let lost = |(name, before): (String, usize)| {
            let after = after.get(&name).copied().unwrap_or(0);
            (after < before).then_some((name, before, after))
        };
        let layers: Vec<_> = before.into_iter().filter_map(lost).collect();
        let channels = layers.iter().map(|(_, before, after)| before - after).sum();
        Self { channels, of, layers }
    }
}

impl Cut {
    /// Layer `i` without what goes.
    fn apply(&self, facts: &Facts, i: usize, mut layer: Layer) -> Layer {
        let outputs = &self.kept[i];
        layer.shape.c = count(outputs);
        let input = |n: usize| rewrite::Input {
            kept: &self.kept[n],
            constant: &facts.constant[n],
            stand_in: self.stand_in[i],
        };
        match layer.kind {
            Kind::Conv(conv) => {
                let conv = rewrite::conv(conv, outputs, &input(layer.inputs[0]));
                Layer { kind: Kind::Conv(conv), ..layer }
            }
            Kind::Gather(sources) => {
                let inputs: Vec<_> = layer.inputs.iter().map(|n| input(*n)).collect();
                let sources = rewrite::gather(sources, outputs, &inputs);
                let (inputs, sources) = rewrite::without_unused(&layer.inputs, &sources);
                Layer { kind: Kind::Gather(sources), inputs, ..layer }
            }
            Kind::Input
            | Kind::LayerNorm(_)
            | Kind::MaxPool(_)
            | Kind::AveragePool(_)
            | Kind::AdaptiveAverage(_)
            | Kind::Add
            | Kind::Multiply
            | Kind::PadBorders(_)
            | Kind::Flatten
            | Kind::Copy => layer,
        }
    }
}

impl Conv {
    /// The weights of output `o`: each input channel that it reads, and the taps on it.
    fn reads(&self, o: usize) -> impl Iterator<Item = (usize, &[f32])> {
        let (row, taps) = (self.row(), self.taps());
        let group = o / (self.bias.len() / self.groups);
        let first = group * (row / taps);
        let Weight::Floats(weight) = &self.weight else { panic!("weights as numbers") };
        weight[o * row..][..row].chunks(taps).enumerate().map(move |(i, w)| (first + i, w))
    }
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|k| **k).count()
}
