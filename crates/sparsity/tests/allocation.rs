//! Every allocation beside its definition, computed slowly.

use artifact::Named;
use proptest::prelude::*;
use sparsity::allocation::{Allocation, Goal, Layer, Target, lamp};
use sparsity::select::Candidates;
use sparsity::{Mask, Score, Structure, weights};

/// A layer's shape, scores, what is pruned already and what a floor holds.
#[derive(Debug, Clone)]
struct Own {
    shape: Vec<usize>,
    scores: Vec<f32>,
    before: Mask,
    floor: u64,
}

impl Own {
    fn layer(&self) -> Layer<'_> {
        let total = self.scores.len() as u64;
        let most = total.saturating_sub(self.floor);
        let candidates = Candidates::new("conv", &self.scores, Some(&self.before));
        Layer { candidates: Candidates { most, ..candidates }, shape: &self.shape }
    }

    fn pruned(&self) -> u64 {
        self.before.pruned()
    }

    /// Units that may still go.
    fn room(&self) -> u64 {
        (self.scores.len() as u64).saturating_sub(self.floor).saturating_sub(self.pruned())
    }
}

/// Layers with few different scores, so that many are equal.
fn layers(floors: bool, pruned: f64) -> impl Strategy<Value = Vec<Own>> {
    let shape = (1..5_usize, 1..6_usize, 1..4_usize, 1..4_usize);
    let own = shape.prop_flat_map(move |(o, i, h, w)| {
        let count = o * i * h * w;
        let scores = prop::collection::vec((0_u8..9).prop_map(|s| f32::from(s) / 4.0), count);
        let before = prop::collection::vec(prop::bool::weighted(1.0 - pruned), count);
        let floor = if floors { 0..=count as u64 / 3 } else { 0..=0 };
        (scores, before, floor).prop_map(move |(scores, before, floor)| Own {
            shape: vec![o, i, h, w],
            scores,
            before: Mask::new(before),
            floor,
        })
    });
    prop::collection::vec(own, 1..6)
}

fn goal(pruned: u64, sparsity: f64) -> Goal {
    Goal {
        pruned,
        target: Target { sparsity, rate: None },
        score: Score::Magnitude,
        structure: Structure::Weight,
        excludes: false,
    }
}

fn choose(allocation: Allocation, all: &[Own], goal: &Goal) -> Result<Vec<Mask>, String> {
    let layers: Vec<Layer> = all.iter().map(Own::layer).collect();
    let chosen = allocation.choose(&layers, goal).map_err(|e| e.to_string())?;
    Ok(chosen.into_iter().map(|chosen| chosen.mask).collect())
}

fn sum(all: &[Own], of: impl Fn(&Own) -> u64) -> u64 {
    all.iter().map(of).sum()
}

/// The ranking by `(score, flat index)`, of which the first `k` that are still there go.
fn slowly(all: &[Own], scores: &[Vec<f64>], k: u64) -> Vec<Vec<bool>> {
    let mut kept: Vec<Vec<bool>> = all.iter().map(|own| own.before.kept().to_vec()).collect();
    let places = (0..all.len()).flat_map(|l| (0..all[l].scores.len()).map(move |i| (l, i)));
    let mut order: Vec<(usize, usize)> = places.filter(|(l, i)| kept[*l][*i]).collect();
    order.sort_by(|a, b| scores[a.0][a.1].total_cmp(&scores[b.0][b.1]));
    for (l, i) in order.into_iter().take((k - sum(all, Own::pruned)) as usize) {
        kept[l][i] = false;
    }
    kept
}

/// LAMP as its paper has it, weight by weight: those that rank no lower are those with a higher score, or the
/// same and a higher index.
fn lamp_slowly(own: &Own) -> Vec<f64> {
    let above =
        |i: usize, j: usize| own.before.kept()[j] && (own.scores[j], j) >= (own.scores[i], i);
    let square = |i: usize| f64::from(own.scores[i]).powi(2);
    let score = |i: usize| {
        // From the highest down, as rounding follows the order.
        let mut ranked: Vec<usize> = (0..own.scores.len()).filter(|j| above(i, *j)).collect();
        ranked.sort_by(|a, b| {
            (own.scores[*b], *b).partial_cmp(&(own.scores[*a], *a)).expect("numbers")
        });
        let sum: f64 = ranked.iter().fold(0.0, |sum, j| sum + square(*j));
        if own.before.kept()[i] && sum > 0.0 { square(i) / sum } else { 0.0 }
    };
    (0..own.scores.len()).map(score).collect()
}

/// Kept weights by ERK: layers whose density would exceed 1 are dense, the others share what is left by
/// `sum / product` of their dimensions; rounded down, then up where most was cut off.
fn erk_slowly(all: &[Own], kept: u64) -> Vec<u64> {
    let size = |own: &Own| own.scores.len() as f64;
    let raw = |own: &Own| own.shape.iter().sum::<usize>() as f64 / size(own);
    let mut dense = vec![false; all.len()];
    let exact = loop {
        let each = || all.iter().zip(&dense);
        let fixed: f64 = each().filter(|(_, dense)| **dense).map(|(own, _)| size(own)).sum();
        let shares: f64 =
            each().filter(|(_, dense)| !**dense).map(|(own, _)| raw(own) * size(own)).sum();
        let factor = (kept as f64 - fixed) / shares;
        let over: Vec<bool> =
            each().map(|(own, dense)| !*dense && factor * raw(own) > 1.0).collect();
        if !over.contains(&true) {
            let of = |(own, dense): (&Own, &bool)| {
                if *dense { size(own) } else { factor * (raw(own) * size(own)) }
            };
            break each().map(of).collect::<Vec<f64>>();
        }
        dense.iter_mut().zip(over).for_each(|(dense, over)| *dense |= over);
    };
    let mut whole: Vec<u64> = exact.iter().map(|value| value.floor() as u64).collect();
    while whole.iter().sum::<u64>() < kept {
        let cut = |i: &usize| exact[*i] - whole[*i] as f64;
        let open = (0..all.len()).filter(|i| whole[*i] < all[*i].scores.len() as u64);
        let most = open.rev().max_by(|a, b| cut(a).total_cmp(&cut(b))).expect("room");
        whole[most] += 1;
    }
    whole
}

proptest! {
    #[test]
    fn lamp_is_its_definition(all in layers(false, 0.2), share in 0.0..=1.0_f64) {
        let scores: Vec<Vec<f64>> = all.iter().map(lamp_slowly).collect();
        for (own, expected) in all.iter().zip(&scores) {
            prop_assert_eq!(&lamp(&own.layer().candidates), expected);
        }
        let k = sum(&all, Own::pruned) + (share * sum(&all, Own::room) as f64) as u64;
        let masks = choose(Allocation::Lamp, &all, &goal(k, 0.5)).expect("possible");
        let found: Vec<&[bool]> = masks.iter().map(Mask::kept).collect();
        prop_assert_eq!(found, slowly(&all, &scores, k));
    }

    #[test]
    fn erk_is_its_definition(all in layers(false, 0.0), share in 0.0..1.0_f64) {
        let total = sum(&all, |own| own.scores.len() as u64);
        let k = (share * total as f64) as u64;
        let masks = choose(Allocation::Erk, &all, &goal(k, 0.5)).expect("possible");
        let kept: Vec<u64> = masks.iter().map(|m| m.len() as u64 - m.pruned()).collect();
        prop_assert_eq!(kept, erk_slowly(&all, total - k));
    }

    /// Whatever the layers, their floors and what is pruned already: exactly as many as were asked for, and nothing
    /// comes back.
    #[test]
    fn every_allocation_is_exact(all in layers(true, 0.1), share in 0.0..=1.0_f64) {
        let (pruned, room) = (sum(&all, Own::pruned), sum(&all, Own::room));
        let k = pruned + (share * room as f64) as u64;
        for allocation in Allocation::ALL.iter().filter(|a| **a != Allocation::Uniform) {
            let masks = choose(*allocation, &all, &goal(k, 0.5)).expect("possible");
            prop_assert_eq!(masks.iter().map(Mask::pruned).sum::<u64>(), k, "{:?}", allocation);
            for (own, mask) in all.iter().zip(&masks) {
                let most = own.pruned() + own.room();
                prop_assert!(mask.pruned() <= most, "{:?}: beyond a floor", allocation);
                let grown = own.before.kept().iter().zip(mask.kept());
                prop_assert!(grown.into_iter().all(|(before, now)| *before || !now));
            }
            let error = choose(*allocation, &all, &goal(pruned + room + 1, 0.5));
            let error = error.expect_err("more than may go");
            let total = sum(&all, |own| own.scores.len() as u64);
            let expected = if pruned + room == total { "where there are" } else { "floors let" };
            prop_assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn uniform_is_the_same_share_and_as_many_in_all_with_floors(
        mut all in layers(true, 0.0), sparsity in 0.05..0.6_f64,
    ) {
        let own = |own: &Own| weights(sparsity, own.scores.len() as u64);
        let k = sum(&all, own);
        let masks = choose(Allocation::Uniform, &all, &goal(0, sparsity));
        if k > sum(&all, Own::room) {
            prop_assert!(masks.expect_err("beyond the floors").contains("floors let"));
            return Ok(());
        }
        let masks = masks.expect("possible");
        prop_assert_eq!(masks.iter().map(Mask::pruned).sum::<u64>(), k);
        for own in &mut all {
            own.floor = 0;
        }
        for (layer, mask) in all.iter().zip(choose(Allocation::Uniform, &all, &goal(0, sparsity)).expect("possible")) {
            prop_assert_eq!(mask.pruned(), own(layer));
        }
    }
}

#[test]
fn reasons_have_the_numbers_that_decided() {
    let own = |shape: &[usize], scores: &[f32], floor: u64| Own {
        shape: shape.to_vec(),
        scores: scores.to_vec(),
        before: Mask::new(vec![true; scores.len()]),
        floor,
    };
    let all = [own(&[2, 2], &[0.5, 0.25, 4.0, 3.0], 0), own(&[4, 1], &[1.0, 2.0, 2.5, 0.125], 3)];
    let said = |allocation: Allocation| {
        let layers: Vec<Layer> = all.iter().map(Own::layer).collect();
        let chosen = allocation.choose(&layers, &goal(3, 0.375)).expect("possible");
        chosen.into_iter().map(|chosen| chosen.reason).collect::<Vec<_>>()
    };
    assert_eq!(
        said(Allocation::Global),
        [
            "global magnitude: 50 % of its weights are among the smallest 37.5 % of all, scores up to 5.000e-1",
            "global magnitude: 25 % of its weights are among the smallest 37.5 % of all, scores up to 5.000e-1, held \
             by its floor"
        ]
    );
    assert_eq!(
        said(Allocation::Lamp)[0],
        "LAMP of magnitude: 50 % of its weights are among the smallest 37.5 % of all, scores up to 9.901e-3"
    );
    assert_eq!(
        said(Allocation::Uniform),
        [
            "uniform magnitude: the smallest 75 % of its weights",
            "uniform magnitude: the smallest 25 % of its weights, held by its floor"
        ]
    );
    assert_eq!(
        said(Allocation::Erk),
        [
            "ERK magnitude: the smallest 50 % of its weights; density 0.5000 is 0.500 x 1.0000",
            "ERK magnitude: the smallest 25 % of its weights; density 0.7500 is 0.600 x 1.2500, held by its floor"
        ]
    );
}
