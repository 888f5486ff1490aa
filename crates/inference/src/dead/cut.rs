//! Which channels stay.

use std::collections::BTreeMap;

use super::class::Classes;
use super::facts::{self, Facts};
use crate::{Kind, Layer, Network};

/// A channel stands in for others whose constants are up to this many times its own: what it has
/// in rounding errors is multiplied by as much.
const STRETCH: f64 = 16.0;

/// What stays, by layer.
pub(super) struct Cut {
    /// Whether each channel stays.
    pub kept: Vec<Vec<bool>>,
    /// For a padded convolution the input channel through which it gets what those that go gave.
    pub stand_in: Vec<Option<usize>>,
}

/// What a padded convolution would lose.
struct Loss {
    /// The layer of the convolution.
    reader: usize,
    /// The layer that it reads.
    from: usize,
    /// The largest constant among the dead channels that it reads, by size.
    largest: f64,
}

impl Cut {
    pub fn of(network: &Network, facts: &Facts) -> Self {
        let mut classes = Classes::of(network);
        for (layer, of) in classes.of.iter().enumerate() {
            let alive = of.iter().enumerate().filter(|(c, _)| !facts.dead(layer, *c));
            alive.for_each(|(_, class)| classes.stays[*class] = true);
        }
        let losses = losses(network, facts, &classes);
        make_up(facts, &losses, &mut classes);
        for of in &classes.of {
            if !of.iter().any(|class| classes.stays[*class]) {
                classes.stays[of[0]] = true;
            }
        }
        let layers = 0..network.layers.len();
        let kept: Vec<Vec<bool>> = layers.clone().map(|layer| classes.kept(layer)).collect();
        let mut stand_in: Vec<Option<usize>> = layers.map(|_| None).collect();
        for loss in &losses {
            let kept = &kept[loss.from];
            stand_in[loss.reader] = (0..kept.len()).find(|c| kept[*c] && loss.made_up(facts, *c));
        }
        Self { kept, stand_in }
    }
}

/// The convolutions for which a constant is not the same at the border.
fn losses(network: &Network, facts: &Facts, classes: &Classes) -> Vec<Loss> {
    let loss = |(reader, layer): (usize, &Layer)| {
        let Kind::Conv(conv) = &layer.kind else { return None };
        // Channels that are each convolved alone go with their output.
        if !conv.is_padded() || conv.groups > 1 {
            return None;
        }
        let from = layer.inputs[0];
        let kept = classes.kept(from);
        let mut read = vec![false; kept.len()];
        facts::mark_read(conv, &facts.needed[reader], &mut read);
        let lost = (0..kept.len()).filter(|c| !kept[*c] && read[*c]);
        let largest = lost.filter_map(|c| facts.constant[from][c]).fold(0.0, |m, k| k.abs().max(m));
        (largest > 0.0).then_some(Loss { reader, from, largest })
    };
    network.layers.iter().enumerate().filter_map(loss).collect()
}

/// Lets as many classes stay as all losses can be made up with.
fn make_up(facts: &Facts, losses: &[Loss], classes: &mut Classes) {
    loop {
        let serving = |loss: &Loss| -> Vec<usize> {
            let of = classes.of[loss.from].iter().enumerate();
            of.filter(|(c, _)| loss.made_up(facts, *c)).map(|(_, class)| *class).collect()
        };
        let open = losses.iter().map(serving);
        let open = open.filter(|all| !all.iter().any(|class| classes.stays[*class]));
        let mut serves = BTreeMap::new();
        open.flatten().for_each(|class| *serves.entry(class).or_insert(0) += 1);
        // Each loss is made up by its largest constant at least: every round leaves fewer.
        match serves.into_iter().rev().max_by_key(|(_, count)| *count) {
            Some((best, _)) => classes.stays[best] = true,
            None => break,
        }
    }
}

impl Loss {
    /// Whether channel `c` can stand in.
    fn made_up(&self, facts: &Facts, c: usize) -> bool {
        facts.constant[self.from][c].is_some_and(|k| k.abs() * STRETCH >= self.largest)
    }
}
