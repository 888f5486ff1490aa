//! Erdős–Rényi-Kernel densities.

use artifact::{Named, Result};

use super::budget::{Bounds, budgets};
use super::{Chosen, Goal, Layer, floor, percent};
use crate::select::{self, Candidates};

/// The sum of a weight's dimensions over their product, which densities are proportional to (Evci et al. 2020,
/// "Rigging the lottery: making all tickets winners", section 3, part 1). The dimensions are outputs, inputs of a group,
/// and the kernel's height and width.
fn raw(shape: &[usize]) -> f64 {
    shape.iter().sum::<usize>() as f64 / shape.iter().product::<usize>() as f64
}

pub(super) fn choose(layers: &[Layer], goal: &Goal) -> Result<Vec<Chosen>> {
    let all: Vec<Candidates> = layers.iter().map(|layer| layer.candidates).collect();
    select::still_to_prune(&all, goal.pruned)?;
    let sizes: Vec<f64> = layers.iter().map(|l| raw(l.shape) * l.total() as f64).collect();
    let bounds: Vec<Bounds> = layers.iter().map(Bounds::of).collect();
    let kept = layers.iter().map(Layer::total).sum::<u64>() - goal.pruned;
    let choose = |(layer, kept): (&Layer, u64)| {
        let mask = select::one(layer.candidates, layer.total() - kept)?;
        let density = kept as f64 / layer.total().max(1) as f64;
        let units = goal.structure.plural();
        let smallest = goal.score.describe(&percent(1.0 - density), &format!("its {units}"));
        let held = floor(layer, &mask);
        let by = goal.score.name();
        let reason = if kept == layer.total() {
            "ERK: kept whole".to_owned()
        } else {
            let raw = raw(layer.shape);
            format!(
                "ERK {by}: {smallest}; density {density:.4} is {:.3} x {raw:.4}{held}",
                density / raw
            )
        };
        Ok(Chosen { mask, reason })
    };
    layers.iter().zip(budgets(&sizes, &bounds, kept)).map(choose).collect()
}
