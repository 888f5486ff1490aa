//! Exactly k weights, ranked by (score, flat index).
//!
//! A threshold by value would take too many or too few wherever scores are equal; here ties go to
//! the smaller index. What is pruned already ranks before all else, so masks only ever grow.

use artifact::{Error, Result};

use crate::Mask;

/// The weights of one layer that may be pruned.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a> {
    /// The layer's name, for errors.
    pub name: &'a str,
    /// One score a weight; the smallest go first.
    pub scores: &'a [f32],
    /// What is pruned already.
    pub before: Option<&'a Mask>,
}

impl Candidates<'_> {
    /// Whether the weight `i` is still there.
    fn open(&self, i: usize) -> bool {
        self.before.is_none_or(|mask| mask.kept()[i])
    }

    fn pruned(&self) -> u64 {
        self.before.map_or(0, Mask::pruned)
    }

    /// Ranks of the weights that are still there.
    fn ranks(&self) -> impl Iterator<Item = u32> {
        (0..self.scores.len()).filter(|&i| self.open(i)).map(|i| rank(self.scores[i]))
    }

    fn check(&self) -> Result<()> {
        if let Some(mask) = self.before {
            assert_eq!(mask.len(), self.scores.len(), "{}: mask against scores", self.name);
        }
        match self.scores.iter().position(|s| s.is_nan()) {
            None => Ok(()),
            Some(i) => Err(Error::Config(format!(
                "{}: the score of weight {i} is NaN; expected a number",
                self.name
            ))),
        }
    }
}

/// Prunes exactly `k` weights of one layer, those of `before` included.
pub fn one(layer: Candidates, k: u64) -> Result<Mask> {
    Ok(global(&[layer], k)?.pop().expect("one layer in, one mask out"))
}

/// Prunes exactly `k` weights of all `layers` together, those pruned before included.
///
/// The flat index runs through the layers in their order. The masks come in that order too.
///
/// # Errors
/// [`Error::Config`] where a score is NaN, more than `k` are pruned already, or there are fewer
/// than `k` weights.
///
/// # Panics
/// If a layer's former mask has another length than its scores.
pub fn global(layers: &[Candidates], k: u64) -> Result<Vec<Mask>> {
    for layer in layers {
        layer.check()?;
    }
    let more = still_to_prune(layers, k)?;
    let mut cut = Cut::find(layers.iter().flat_map(Candidates::ranks).collect(), more);
    Ok(layers.iter().map(|layer| cut.mask(layer)).collect())
}

fn still_to_prune(layers: &[Candidates], k: u64) -> Result<usize> {
    let total: u64 = layers.iter().map(|l| l.scores.len() as u64).sum();
    let pruned: u64 = layers.iter().map(Candidates::pruned).sum();
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
    Ok(more as usize)
}

/// Where the ranking is cut: all below `rank` go, and the first `ties` at it.
struct Cut {
    rank: u32,
    ties: usize,
}

impl Cut {
    /// The cut behind the first `k` of `ranks`.
    fn find(mut ranks: Vec<u32>, k: usize) -> Self {
        let Some(last) = k.checked_sub(1) else {
            return Self { rank: 0, ties: 0 };
        };
        let (below, &mut rank, _) = ranks.select_nth_unstable(last);
        let lower = below.iter().filter(|r| **r < rank).count();
        Self { rank, ties: k - lower }
    }

    /// The mask of the next layer in order.
    fn mask(&mut self, layer: &Candidates) -> Mask {
        let kept = layer.scores.iter().enumerate();
        Mask::new(kept.map(|(i, &score)| layer.open(i) && self.keeps(rank(score))).collect())
    }

    fn keeps(&mut self, rank: u32) -> bool {
        if rank != self.rank || self.ties == 0 {
            return rank >= self.rank;
        }
        self.ties -= 1;
        false
    }
}

/// An integer that orders as the score does; -0 and +0 are equal.
fn rank(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layer<'a>(scores: &'a [f32], before: Option<&'a Mask>) -> Candidates<'a> {
        Candidates { name: "conv", scores, before }
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
    }
}
