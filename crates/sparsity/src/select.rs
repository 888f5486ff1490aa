//! Exactly k weights, ranked by (score, flat index).
//!
//! A threshold by value would take too many or too few wherever scores are equal; here ties go to
//! the smaller index. What is pruned already ranks before all else, so masks only ever grow. What ranks highest in a
//! layer with a floor stays, and others go in its place.

use artifact::{Error, Result};

use crate::Mask;

/// A number that weights are ranked by.
pub trait Rank: Copy + PartialOrd {
    /// An integer that orders as the number does; -0 and +0 are equal.
    fn rank(self) -> u64;
}

impl Rank for f32 {
    fn rank(self) -> u64 {
        f64::from(self).rank()
    }
}

impl Rank for f64 {
    fn rank(self) -> u64 {
        let bits = (self + 0.0).to_bits();
        if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
    }
}

/// The weights of one layer that may be pruned.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a, S = f32> {
    /// The layer's name, for errors.
    pub name: &'a str,
    /// One score a weight; the smallest go first.
    pub scores: &'a [S],
    /// What is pruned already.
    pub before: Option<&'a Mask>,
    /// How many may be pruned in all, where a floor holds the others.
    pub most: u64,
}

impl<'a, S: Rank> Candidates<'a, S> {
    /// All of which may be pruned.
    pub fn new(name: &'a str, scores: &'a [S], before: Option<&'a Mask>) -> Self {
        Self { name, scores, before, most: scores.len() as u64 }
    }

    /// The same weights with other scores.
    pub(crate) fn scored<T>(&self, scores: &'a [T]) -> Candidates<'a, T> {
        let Self { name, before, most, .. } = *self;
        Candidates { name, scores, before, most }
    }

    /// How many are pruned already.
    pub(crate) fn pruned(&self) -> u64 {
        self.before.map_or(0, Mask::pruned)
    }

    /// How many may still be pruned.
    fn room(&self) -> u64 {
        self.most.saturating_sub(self.pruned())
    }

    /// Whether the weight `i` is still there.
    pub(crate) fn open(&self, i: usize) -> bool {
        self.before.is_none_or(|mask| mask.kept()[i])
    }

    /// Whether each weight may still be pruned.
    fn eligible(&self) -> Vec<bool> {
        let open = (0..self.scores.len()).map(|i| self.open(i));
        if self.most >= self.scores.len() as u64 {
            return open.collect();
        }
        let open: Vec<bool> = open.collect();
        let ranks = open.iter().zip(self.scores).filter(|(open, _)| **open).map(|(_, s)| s.rank());
        let mut cut = Cut::find(ranks.collect(), self.room() as usize);
        open.iter().zip(self.scores).map(|(open, s)| *open && !cut.keeps(s.rank())).collect()
    }

    /// Refuses scores that do not rank.
    ///
    /// # Errors
    /// [`Error::Config`] where a score is NaN.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(mask) = self.before {
            assert_eq!(mask.len(), self.scores.len(), "{}: mask against scores", self.name);
        }
        // NaN alone is not equal to itself.
        match self.scores.iter().position(|s| s.partial_cmp(s).is_none()) {
            None => Ok(()),
            Some(i) => Err(Error::Config(format!(
                "{}: the score of weight {i} is NaN; expected a number",
                self.name
            ))),
        }
    }
}

/// Prunes exactly `k` weights of one layer, those of `before` included.
pub fn one<S: Rank>(layer: Candidates<S>, k: u64) -> Result<Mask> {
    Ok(global(&[layer], k)?.pop().expect("one layer in, one mask out"))
}

/// Prunes exactly `k` weights of all `layers` together, those pruned before included.
///
/// The flat index runs through the layers in their order. The masks come in that order too.
///
/// # Errors
/// [`Error::Config`] where a score is NaN, more than `k` are pruned already, or fewer than `k` weights may go.
///
/// # Panics
/// If a layer's former mask has another length than its scores.
pub fn global<S: Rank>(layers: &[Candidates<S>], k: u64) -> Result<Vec<Mask>> {
    for layer in layers {
        layer.check()?;
    }
    let more = still_to_prune(layers, k)?;
    let eligible: Vec<Vec<bool>> = layers.iter().map(Candidates::eligible).collect();
    let ranks = layers.iter().zip(&eligible).flat_map(|(layer, eligible)| {
        let own = layer.scores.iter().zip(eligible).filter(|(_, eligible)| **eligible);
        own.map(|(score, _)| score.rank())
    });
    let mut cut = Cut::find(ranks.collect(), more);
    let masks = layers.iter().zip(&eligible).map(|(layer, eligible)| {
        let each = layer.scores.iter().zip(eligible).enumerate();
        let keeps = |(i, (score, eligible)): (usize, (&S, &bool))| {
            if *eligible { cut.keeps(score.rank()) } else { layer.open(i) }
        };
        Mask::new(each.map(keeps).collect())
    });
    Ok(masks.collect())
}

/// How many more weights are to be pruned for `k` in all.
///
/// # Errors
/// [`Error::Config`] where that is less than nothing, or more than may go.
pub(crate) fn still_to_prune<S: Rank>(layers: &[Candidates<S>], k: u64) -> Result<usize> {
    let total: u64 = layers.iter().map(|l| l.scores.len() as u64).sum();
    let pruned: u64 = layers.iter().map(Candidates::pruned).sum();
    let room: u64 = layers.iter().map(Candidates::room).sum();
    let place = match layers {
        [layer] => layer.name.to_owned(),
        _ => format!("{} layers", layers.len()),
    };
    if k > total {
        return Err(Error::Config(format!(
            "{place}: {k} weights are to be pruned where there are {total}; ask for less sparsity \
             or exclude fewer layers"
        )));
    }
    let more = k.checked_sub(pruned).ok_or_else(|| {
        Error::Config(format!(
            "{place}: {pruned} of {total} weights are pruned already, the target is {k}; pruned \
             weights stay pruned, so ask for at least {:.4}",
            pruned as f64 / total as f64
        ))
    })?;
    if more > room {
        let most = pruned + room;
        return Err(Error::Config(format!(
            "{place}: {k} of {total} weights are to be pruned, and floors let {most} go, a share of {:.4}; ask for \
             less sparsity or lower floors",
            most as f64 / total as f64
        )));
    }
    Ok(more as usize)
}

/// Where the ranking is cut: all below `rank` go, and the first `ties` at it.
struct Cut {
    rank: u64,
    ties: usize,
}

impl Cut {
    /// The cut behind the first `k` of `ranks`.
    fn find(mut ranks: Vec<u64>, k: usize) -> Self {
        let Some(last) = k.checked_sub(1) else {
            return Self { rank: 0, ties: 0 };
        };
        let (below, &mut rank, _) = ranks.select_nth_unstable(last);
        let lower = below.iter().filter(|r| **r < rank).count();
        Self { rank, ties: k - lower }
    }

    /// Whether the next weight in order, of this rank, stays.
    fn keeps(&mut self, rank: u64) -> bool {
        if rank != self.rank || self.ties == 0 {
            return rank >= self.rank;
        }
        self.ties -= 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer<'a>(scores: &'a [f32], before: Option<&'a Mask>) -> Candidates<'a> {
        Candidates::new("conv", scores, before)
    }

    /// The definition, slowly: sort by (pruned before, score, index) and take k.
    fn reference(scores: &[f32], before: &Mask, k: usize) -> Vec<bool> {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |i: usize| before.kept()[i];
            key(a).cmp(&key(b)).then(scores[a].partial_cmp(&scores[b]).expect("numbers"))
        });
        let mut kept = vec![true; scores.len()];
        order[..k].iter().for_each(|&i| kept[i] = false);
        kept
    }

    proptest! {
        #[test]
        fn exactly_k_go_in_order_of_score_and_index(
            weights in prop::collection::vec((-3_i8..3, prop::bool::weighted(0.2)), 1..60),
            share in 0.0..=1.0_f64,
            split in 0.0..=1.0_f64,
        ) {
            let scores: Vec<f32> = weights.iter().map(|w| f32::from(w.0) / 2.0).collect();
            let before = Mask::new(weights.iter().map(|w| !w.1).collect());
            let (n, pruned) = (scores.len(), before.pruned() as usize);
            let k = pruned + (share * (n - pruned) as f64) as usize;
            let expected = reference(&scores, &before, k);
            let found = one(layer(&scores, Some(&before)), k as u64).expect("possible");
            prop_assert_eq!(found.kept(), &expected[..]);
            prop_assert_eq!(found.pruned(), k as u64);
            // The same in two layers: the flat index runs on.
            let at = (split * n as f64) as usize;
            let (a, b) = before.kept().split_at(at);
            let (a, b) = (Mask::new(a.to_vec()), Mask::new(b.to_vec()));
            let both = [layer(&scores[..at], Some(&a)), layer(&scores[at..], Some(&b))];
            let masks = global(&both, k as u64).expect("possible");
            prop_assert_eq!([masks[0].kept(), masks[1].kept()].concat(), expected);
        }
    }

    proptest! {
        /// The definition, slowly: in the order of the ranking each goes whose layer has not reached its floor.
        #[test]
        fn what_a_floor_holds_stays_and_others_go(
            weights in prop::collection::vec((0_usize..3, -3_i8..3, prop::bool::weighted(0.2)), 1..60),
            floors in prop::array::uniform3(0_u64..12),
            share in 0.0..=1.0_f64,
        ) {
            let of = |layer: usize| weights.iter().filter(move |w| w.0 == layer);
            let scores: Vec<Vec<f32>> =
                (0..3).map(|l| of(l).map(|w| f32::from(w.1) / 2.0).collect()).collect();
            let before: Vec<Mask> = (0..3).map(|l| Mask::new(of(l).map(|w| !w.2).collect())).collect();
            let most = |l: usize| (scores[l].len() as u64).saturating_sub(floors[l]);
            let layers: Vec<Candidates> = (0..3)
                .map(|l| Candidates { most: most(l), ..layer(&scores[l], Some(&before[l])) })
                .collect();
            let pruned: u64 = layers.iter().map(Candidates::pruned).sum();
            let room: u64 = layers.iter().map(Candidates::room).sum();
            let k = pruned + (share * room as f64) as u64;
            let masks = global(&layers, k).expect("possible");
            let mut order: Vec<(usize, usize)> =
                (0..3).flat_map(|l| (0..scores[l].len()).map(move |i| (l, i))).collect();
            order.sort_by(|a, b| scores[a.0][a.1].partial_cmp(&scores[b.0][b.1]).expect("numbers"));
            let mut kept: Vec<Vec<bool>> = before.iter().map(|m| m.kept().to_vec()).collect();
            let gone = |kept: &[bool]| kept.iter().filter(|k| !**k).count() as u64;
            let mut left = k - pruned;
            for (l, i) in order {
                if left > 0 && kept[l][i] && gone(&kept[l]) < most(l) {
                    kept[l][i] = false;
                    left -= 1;
                }
            }
            prop_assert_eq!(left, 0);
            for (mask, kept) in masks.iter().zip(&kept) {
                prop_assert_eq!(mask.kept(), &kept[..]);
            }
            let error = global(&layers, pruned + room + 1).expect_err("beyond the floors");
            prop_assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn ties_go_to_the_smaller_index_and_zero_has_no_sign() {
        let check = |scores: &[f32], k: u64, expected: &[bool]| {
            assert_eq!(one(layer(scores, None), k).expect("possible").kept(), expected);
        };
        check(&[1.0, 1.0, 1.0], 2, &[false, false, true]);
        check(&[0.0, -0.0, 0.0], 1, &[false, true, true]);
        check(&[f32::INFINITY, -1.0, f32::NEG_INFINITY], 2, &[true, false, false]);
        check(&[2.0, 1.0], 0, &[true, true]);
        check(&[], 0, &[]);
    }

    #[test]
    fn the_impossible_is_refused() {
        let gone = Mask::new(vec![false, false, true]);
        let check = |scores: &[f32], before: Option<&Mask>, k: u64, expected: &str| {
            let error = one(layer(scores, before), k).expect_err("impossible");
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        check(&[1.0, f32::NAN], None, 1, "conv: the score of weight 1 is NaN");
        check(&[1.0], None, 2, "2 weights are to be pruned where there are 1");
        check(&[1.0, 2.0, 3.0], Some(&gone), 1, "2 of 3 weights are pruned already");
        let held = Candidates { most: 1, ..layer(&[1.0, 2.0, 3.0, 4.0], None) };
        let error = one(held, 2).expect_err("impossible").to_string();
        let expected =
            "conv: 2 of 4 weights are to be pruned, and floors let 1 go, a share of 0.2500";
        assert!(error.contains(expected), "{error}");
    }
}
