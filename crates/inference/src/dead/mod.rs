//! Channels without use, taken out of a network: those that have one value whatever the image, and
//! those that nothing reads. The answers stay as they were, but for the rounding of changed weights.
//!
//! What is known of each channel is found by [`facts`], which layers must lose the same ones by
//! [`class`], which of them go by [`cut`]; [`rewrite`] gives the convolutions that remain. Channels
//! that nearly do nothing are not looked for: that is pruning.

mod class;
mod cut;
mod facts;
mod rewrite;

use crate::{Conv, Kind, Layer, Network};
use cut::Cut;
use facts::Facts;

/// What [`Network::without_dead_channels`] took out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Output channels of convolutions and linear layers that went.
    pub channels: usize,
    /// How many there were in all.
    pub of: usize,
    /// Name of each such layer that lost any, its output channels before and after.
    pub layers: Vec<(String, usize, usize)>,
}

impl Network {
    /// The same answers by fewer channels, and what went. Each layer keeps at least one; images and
    /// logits keep all of theirs, and so does what a convolution in several groups reads and gives,
    /// unless each channel is a group.
    ///
    /// A channel goes if its value is known, or not asked for, wherever layers must have the same
    /// channels. What it gave to the next convolution becomes part of that one's bias. Where zeros
    /// are padded around it that would be wrong at the border: then one of those of known value
    /// stays and stands in for the others.
    #[must_use]
    pub fn without_dead_channels(mut self) -> (Self, Removed) {
        let before: Vec<usize> = self.layers.iter().map(|l| l.shape.c).collect();
        // Nearly always once is enough. But what stands in for one that is gone need not be as
        // large, and then two convolutions may share theirs.
        loop {
            let facts = Facts::of(&self);
            let cut = Cut::of(&self, &facts);
            if cut.kept.iter().flatten().all(|kept| *kept) {
                break;
            }
            let layers = self.layers.into_iter().enumerate();
            self.layers = layers.map(|(i, layer)| cut.apply(&facts, i, layer)).collect();
        }
        let removed = Removed::of(&before, &self);
        (self, removed)
    }
}

impl Removed {
    /// What went since the layers had as many channels as `before`.
    fn of(before: &[usize], network: &Network) -> Self {
        let mut removed = Self { channels: 0, of: 0, layers: vec![] };
        for (layer, &before) in network.layers.iter().zip(before) {
            let Kind::Conv(_) = layer.kind else { continue };
            let after = layer.shape.c;
            removed.of += before;
            removed.channels += before - after;
            if after < before {
                removed.layers.push((layer.name.clone(), before, after));
            }
        }
        removed
    }
}

impl Cut {
    /// Layer `i` without what goes.
    fn apply(&self, facts: &Facts, i: usize, mut layer: Layer) -> Layer {
        layer.shape.c = count(&self.kept[i]);
        if let Kind::Conv(conv) = layer.kind {
            let x = layer.inputs[0];
            let input = rewrite::Input {
                kept: &self.kept[x],
                constant: &facts.constant[x],
                stand_in: self.stand_in[i],
            };
            layer.kind = Kind::Conv(rewrite::conv(conv, &self.kept[i], &input));
        }
        layer
    }
}

impl Conv {
    /// The weights of output `o`: each input channel that it reads, and the taps on it.
    fn reads(&self, o: usize) -> impl Iterator<Item = (usize, &[f32])> {
        let (row, taps) = (self.row(), self.taps());
        let group = o / (self.bias.len() / self.groups);
        let first = group * (row / taps);
        self.weight[o * row..][..row].chunks(taps).enumerate().map(move |(i, w)| (first + i, w))
    }
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|k| **k).count()
}
