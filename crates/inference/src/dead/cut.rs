//! Which channels stay.

use super::class::{Class, classes};
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
        let kept = network.layers.iter().map(|l| vec![true; l.shape.c]).collect();
        let mut cut = Self { kept, stand_in: vec![None; network.layers.len()] };
        for class in classes(network).iter().filter(|c| !c.pinned) {
            cut.class(network, facts, class);
        }
        cut
    }

    fn class(&mut self, network: &Network, facts: &Facts, class: &Class) {
        let channels = network.layers[class.layers[0]].shape.c;
        let dead: Vec<bool> = (0..channels).map(|c| facts.dead(&class.layers, c)).collect();
        let losses = losses(network, facts, class, &dead);
        let kept = kept(facts, &losses, &dead);
        for loss in &losses {
            self.stand_in[loss.reader] =
                (0..channels).find(|c| kept[*c] && loss.made_up(facts, *c));
        }
        class.layers.iter().for_each(|l| self.kept[*l].clone_from(&kept));
    }
}

/// The convolutions for which a constant is not the same at the border.
fn losses(network: &Network, facts: &Facts, class: &Class, dead: &[bool]) -> Vec<Loss> {
    let loss = |(reader, layer): (usize, &Layer)| {
        let Kind::Conv(conv) = &layer.kind else { return None };
        let from = layer.inputs[0];
        // Channels that are each convolved alone go with their output.
        let padded = conv.is_padded() && conv.groups == 1;
        if !padded || !class.layers.contains(&from) {
            return None;
        }
        let mut read = vec![false; dead.len()];
        facts::mark_read(conv, &facts.needed[reader], &mut read);
        let lost = (0..dead.len()).filter(|c| dead[*c] && read[*c]);
        let largest = lost.filter_map(|c| facts.constant[from][c]).fold(0.0, |m, k| k.abs().max(m));
        (largest > 0.0).then_some(Loss { reader, from, largest })
    };
    network.layers.iter().enumerate().filter_map(loss).collect()
}

/// The channels that are not dead, and as many others as all losses can be made up with.
fn kept(facts: &Facts, losses: &[Loss], dead: &[bool]) -> Vec<bool> {
    let mut kept: Vec<bool> = dead.iter().map(|d| !d).collect();
    let all = 0..dead.len();
    let open =
        |kept: &[bool], loss: &&Loss| !all.clone().any(|c| kept[c] && loss.made_up(facts, c));
    loop {
        let left: Vec<&Loss> = losses.iter().filter(|l| open(&kept, l)).collect();
        // Each loss is made up by its largest constant at least: every round leaves fewer.
        let serves = |c: usize| left.iter().filter(|l| l.made_up(facts, c)).count();
        match all.clone().rev().max_by_key(|c| serves(*c)) {
            Some(best) if !left.is_empty() => kept[best] = true,
            _ => break,
        }
    }
    if !kept.contains(&true) {
        kept[0] = true;
    }
    kept
}

impl Loss {
    /// Whether channel `c` can stand in.
    fn made_up(&self, facts: &Facts, c: usize) -> bool {
        facts.constant[self.from][c].is_some_and(|k| k.abs() * STRETCH >= self.largest)
    }
}
