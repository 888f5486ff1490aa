//! The same share of each layer.

use artifact::{Named, Result};

use super::budget::{Bounds, budgets};
use super::{Chosen, Goal, Layer, floor, percent, share};
use crate::select::{self, Candidates};

pub(super) fn choose(layers: &[Layer], goal: &Goal) -> Result<Vec<Chosen>> {
    let mut pruned: Vec<u64> =
        layers.iter().map(|l| goal.target.of(l.pruned(), l.total())).collect();
    if layers.iter().zip(&pruned).any(|(layer, pruned)| *pruned > layer.candidates.most) {
        // What floors hold the others make up for, in proportion.
        let all: Vec<Candidates> = layers.iter().map(|layer| layer.candidates).collect();
        let total = pruned.iter().sum();
        select::still_to_prune(&all, total)?;
        let sizes: Vec<f64> = layers.iter().map(|layer| layer.total() as f64).collect();
        let bounds: Vec<Bounds> = layers.iter().map(Bounds::of).collect();
        let kept = layers.iter().map(Layer::total).sum::<u64>() - total;
        let kept = budgets(&sizes, &bounds, kept);
        pruned = layers.iter().zip(kept).map(|(layer, kept)| layer.total() - kept).collect();
    }
    let by = goal.score.name();
    let choose = |(layer, pruned): (&Layer, u64)| {
        let mask = select::one(layer.candidates, pruned)?;
        let share = percent(share(std::iter::once(&mask)));
        let smallest = goal.score.describe(&share, &format!("its {}", goal.structure.plural()));
        let reason = format!("uniform {by}: {smallest}{}", floor(layer, &mask));
        Ok(Chosen { mask, reason })
    };
    layers.iter().zip(pruned).map(choose).collect()
}
