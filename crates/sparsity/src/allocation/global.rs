//! The weights of all layers ranked together.

use artifact::{Named, Result};

use super::{Chosen, Goal, Layer, floor, percent, share};
use crate::Mask;
use crate::select::{self, Candidates, Rank};

pub(super) fn choose(layers: &[Layer], goal: &Goal) -> Result<Vec<Chosen>> {
    let candidates: Vec<Candidates> = layers.iter().map(|layer| layer.candidates).collect();
    let masks = select::global(&candidates, goal.pruned)?;
    let highest = highest(&candidates, &masks);
    let by = format!("global {}", goal.score.name());
    Ok(chosen(layers, masks, goal, &by, &highest))
}

/// The masks with reasons: the ranking is `by`, and the last to go had the score `highest`, in words.
pub(super) fn chosen(
    layers: &[Layer],
    masks: Vec<Mask>,
    goal: &Goal,
    by: &str,
    highest: &str,
) -> Vec<Chosen> {
    let whose = if goal.excludes { "all not excluded" } else { "all" };
    let among = goal.score.describe(&percent(share(masks.iter())), whose);
    let reason = |layer: &Layer, mask: &Mask| {
        let (own, units) = (percent(share(std::iter::once(mask))), goal.structure.plural());
        format!("{by}: {own} of its {units} are among {among}{highest}{}", floor(layer, mask))
    };
    let each = layers.iter().zip(masks);
    each.map(|(layer, mask)| Chosen { reason: reason(layer, &mask), mask }).collect()
}

/// The highest score of what was pruned now, in words; nothing where nothing was.
pub(super) fn highest<S: Rank + std::fmt::LowerExp>(
    layers: &[Candidates<S>],
    masks: &[Mask],
) -> String {
    let pruned = layers.iter().zip(masks).flat_map(|(layer, mask)| {
        let each = layer.scores.iter().zip(mask.kept()).enumerate();
        each.filter(|(i, (_, kept))| !**kept && layer.open(*i)).map(|(_, (score, _))| *score)
    });
    let highest = pruned.max_by_key(|score| score.rank());
    highest.map_or_else(String::new, |score| format!(", scores up to {score:.3e}"))
}
