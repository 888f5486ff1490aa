//! Sparse from the first step, with regrowth.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use artifact::Result;

use super::{Change, Course, Defaults};
use crate::method::ParamUnits;
use crate::select::{self, Candidates};
use crate::{Allocation, Current, Mask, Masks, Method, magnitude, weights};

/// Evci et al. 2020, "Rigging the lottery: making all tickets winners": every 100 steps over three quarters of the
/// training, with Erdős–Rényi-Kernel densities.
pub(super) const DEFAULTS: Defaults =
    Defaults { from: 0.0, until: 0.75, every: Some(100), allocation: Allocation::Erk };

/// The masks are drawn at step 0. Later the share `a / 2 (1 + cos(pi t / T))` of the kept weights is replaced (their
/// section 3, part 2), where `a` is the largest share and `T` the last step.
pub(super) fn at(course: &Course, step: usize) -> Option<Change> {
    if step == 0 {
        return Some(Change::Prune(course.sparsity));
    }
    let now = step.is_multiple_of(course.every) && step < course.last;
    let at = step as f64 / course.last as f64;
    now.then(|| Change::Regrow(course.replace / 2.0 * (1.0 + (PI * at).cos())))
}

/// The step of the last replacement.
pub(super) fn last_change(course: &Course) -> usize {
    course.last.saturating_sub(1) / course.every * course.every
}

/// Replaces the share `share` of each layer's kept units: those with the smallest magnitudes go, and as many of the
/// others with the largest absolute gradients come (their section 3, parts 3 and 4). Of equal ones the first go, and the
/// last come. A unit that went may come back at once and keeps its weights then; all others come whole, at zero.
/// `gradients` holds that of each prunable weight, by name, dense.
///
/// # Errors
/// [`artifact::Error::Config`] where a gradient is NaN.
///
/// # Panics
/// If a layer in play has no gradient.
pub fn regrow(
    method: &Method,
    current: Current,
    gradients: &BTreeMap<String, Vec<f32>>,
    share: f64,
) -> Result<Masks> {
    let mut masks = current.masks.clone();
    for own in method.open(current.graph)? {
        let name = &own.param.name;
        if let Some((kept, weights)) = own.mask(current.masks).zip(current.masks.get(name)) {
            let gradient = gradients.get(name).expect("of every prunable weight");
            let mask = replaced(&own, current.values(name), gradient, &kept, share)?;
            masks.insert(name, own.units.replaced_mask(&kept, &mask, weights));
        }
    }
    Ok(masks)
}

/// The units of a layer that are kept after the replacement; `kept` are those before.
fn replaced(
    own: &ParamUnits,
    values: &[f32],
    gradient: &[f32],
    kept: &Mask,
    share: f64,
) -> Result<Mask> {
    let (name, pruned) = (&own.param.name, kept.pruned());
    let gone = weights(share, kept.len() as u64 - pruned);
    let sizes = own.units.sums(&magnitude(values));
    let left = select::one(Candidates::new(name, &sizes, Some(kept)), pruned + gone)?;
    let gradients = own.units.sums(&magnitude(gradient));
    let rank = |(kept, gradient): (&bool, &f32)| {
        if *kept { f64::INFINITY } else { f64::from(*gradient).min(f64::MAX) }
    };
    let ranks: Vec<f64> = left.kept().iter().zip(&gradients).map(rank).collect();
    select::one(Candidates::new(name, &ranks, None), pruned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Schedule, tests::course};
    use crate::{Floors, Ranking, Score, Structure};
    use artifact::tensors::{Tensor, Tensors};
    use graph::Graph;
    use proptest::prelude::*;

    #[test]
    fn the_share_falls_along_half_a_cosine() {
        let course = Course { first: 0, last: 40, ..course(Schedule::Rigl) };
        assert_eq!(at(&course, 0), Some(Change::Prune(0.9)));
        let share = |step| match at(&course, step) {
            Some(Change::Regrow(share)) => share,
            other => panic!("{other:?}"),
        };
        assert!((share(20) - 0.15).abs() < 1e-12);
        assert!((share(10) - 0.15 * (1.0 + 0.5_f64.sqrt())).abs() < 1e-12);
        assert_eq!((at(&course, 15), at(&course, 40), last_change(&course)), (None, None, 30));
    }

    /// The definition, slowly, for single weights.
    fn slowly(values: &[f32], gradient: &[f32], kept: &[bool], share: f64) -> Vec<bool> {
        let mut order: Vec<usize> = (0..values.len()).filter(|i| kept[*i]).collect();
        order.sort_by(|a, b| values[*a].abs().total_cmp(&values[*b].abs()));
        let gone = (share * order.len() as f64).round() as usize;
        let mut now = kept.to_vec();
        order[..gone].iter().for_each(|i| now[*i] = false);
        let mut others: Vec<usize> = (0..values.len()).filter(|i| !now[*i]).collect();
        others.sort_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs()));
        others.iter().rev().take(gone).for_each(|i| now[*i] = true);
        now
    }

    proptest! {
        #[test]
        fn as_many_come_as_go(
            layer in prop::collection::vec((-9_i8..9, -9_i8..9, prop::bool::weighted(0.4)), 54),
            share in 0.0..0.5_f64,
        ) {
            let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
            let name = "backbone.conv0.weight";
            let mut tensors: Tensors = graph
                .params()
                .iter()
                .map(|p| (p.name.clone(), Tensor::f32(&p.shape, vec![1.0; p.count()])))
                .collect();
            let kept: Vec<bool> = layer.iter().map(|w| w.2).collect();
            let values: Vec<f32> =
                layer.iter().map(|w| if w.2 { f32::from(w.0) } else { 0.0 }).collect();
            let gradient: Vec<f32> = layer.iter().map(|w| f32::from(w.1)).collect();
            tensors.insert(name.to_owned(), Tensor::f32(&[2, 3, 3, 3], values.clone()));
            let mut masks = Masks::default();
            masks.insert(name, Mask::new(kept.clone()));
            let ranking = Ranking {
                score: Score::Magnitude,
                structure: Structure::Weight,
                floors: Floors::NONE,
                seed: 0,
            };
            let method = Method { ranking, allocation: Allocation::Erk, excluded: vec![] };
            let gradients = [(name.to_owned(), gradient.clone())].into();
            let current = Current { graph: &graph, tensors: &tensors, masks: &masks, measured: None };
            let found = regrow(&method, current, &gradients, share).expect("numbers");
            prop_assert_eq!(found.pruned(), masks.pruned());
            let expected = slowly(&values, &gradient, &kept, share);
            prop_assert_eq!(found.get(name).expect("pruned").kept(), &expected[..]);
        }
    }
}
