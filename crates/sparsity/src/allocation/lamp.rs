//! Layer-adaptive magnitude-based pruning.

use artifact::{Named, Result};

use super::{Chosen, Goal, Layer, global};
use crate::select::{self, Candidates, Rank};

/// The LAMP score of each of `layer`'s units: its squared score over the sum of the squares of all that
/// rank at or above it, in f64; 0 where nothing is left to be pruned.
///
/// `w^2 / sum of v^2 for all v that rank no lower` (Lee et al. 2021, "Layer-adaptive sparsity for the magnitude-based
/// pruning", equation 3). The highest of a layer has score 1, so that no layer is emptied before all others are down
/// to one. Units that are pruned already are not counted.
pub fn lamp(layer: &Candidates) -> Vec<f64> {
    let mut order: Vec<usize> = (0..layer.scores.len()).filter(|i| layer.open(*i)).collect();
    order.sort_by_key(|i| layer.scores[*i].rank());
    let (mut scores, mut sum) = (vec![0.0; layer.scores.len()], 0.0);
    for i in order.into_iter().rev() {
        let square = f64::from(layer.scores[i]).powi(2);
        sum += square;
        scores[i] = if sum > 0.0 { square / sum } else { 0.0 };
    }
    scores
}

pub(super) fn choose(layers: &[Layer], goal: &Goal) -> Result<Vec<Chosen>> {
    let scores: Vec<Vec<f64>> = layers.iter().map(|layer| lamp(&layer.candidates)).collect();
    let pairs = layers.iter().zip(&scores);
    let candidates: Vec<_> = pairs.map(|(l, scores)| l.candidates.scored(scores)).collect();
    let masks = select::global(&candidates, goal.pruned)?;
    let highest = global::highest(&candidates, &masks);
    Ok(global::chosen(layers, masks, goal, &format!("LAMP of {}", goal.score.name()), &highest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mask;

    #[test]
    fn scores_are_shares_of_what_is_left() {
        // By hand: squares 9, 1, 4, 1; sums from the highest down 9, 13, 14 (the later of two equal ones), 15.
        let scores = [3.0, 1.0, 2.0, 1.0];
        let found = lamp(&Candidates::new("conv", &scores, None));
        assert_eq!(found, [1.0, 1.0 / 15.0, 4.0 / 13.0, 1.0 / 14.0]);
        let before = Mask::new(vec![false, true, true, true]);
        let found = lamp(&Candidates::new("conv", &scores, Some(&before)));
        assert_eq!(found, [0.0, 1.0 / 6.0, 1.0, 1.0 / 5.0]);
        assert_eq!(lamp(&Candidates::new("conv", &[0.0, 0.0], None)), [0.0, 0.0]);
        assert_eq!(lamp(&Candidates::new("conv", &[], None)), [0.0; 0]);
    }
}
