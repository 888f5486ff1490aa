//! A number shared out in proportion, within bounds.

use std::cmp::Ordering;

use super::Layer;

/// How many units a layer keeps at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub least: u64,
    pub most: u64,
}

impl Bounds {
    /// A floor keeps some, and what is pruned already cannot be kept.
    pub fn of(layer: &Layer) -> Self {
        let most = layer.total() - layer.pruned();
        Self { least: layer.total().saturating_sub(layer.candidates.most).min(most), most }
    }

    fn clamp(self, value: f64) -> f64 {
        value.clamp(self.least as f64, self.most as f64)
    }
}

/// Whole numbers that add up to `total`, each within its `bounds` and otherwise in proportion to `shares`: rounded
/// down, and where the largest parts were cut off, up; of equal parts the first.
///
/// # Panics
/// If the bounds do not hold `total`, or a share is not positive.
pub(super) fn budgets(shares: &[f64], bounds: &[Bounds], total: u64) -> Vec<u64> {
    let sum = |of: fn(&Bounds) -> u64| bounds.iter().map(of).sum::<u64>();
    assert!((sum(|b| b.least)..=sum(|b| b.most)).contains(&total), "bounds that hold the total");
    assert!(shares.iter().all(|share| *share > 0.0), "positive shares");
    let exact = exact(shares, bounds, total as f64);
    let mut whole: Vec<u64> = exact.iter().map(|value| value.floor() as u64).collect();
    let mut order: Vec<usize> = (0..whole.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let mut sum: u64 = whole.iter().sum();
    for i in order.iter().copied().cycle() {
        // In floating point a number may have come out as the next whole one, and the sum as too large.
        match sum.cmp(&total) {
            Ordering::Equal => break,
            Ordering::Less if whole[i] < bounds[i].most => {
                (whole[i], sum) = (whole[i] + 1, sum + 1);
            }
            Ordering::Greater if whole[i] > bounds[i].least => {
                (whole[i], sum) = (whole[i] - 1, sum - 1);
            }
            _ => {}
        }
    }
    whole
}

/// The numbers before they are rounded: those beyond a bound are at it, and the others share what is left.
fn exact(shares: &[f64], bounds: &[Bounds], total: f64) -> Vec<f64> {
    let mut fixed: Vec<Option<f64>> = vec![None; shares.len()];
    loop {
        let free = || (0..shares.len()).filter(|i| fixed[*i].is_none());
        let left = total - fixed.iter().flatten().sum::<f64>();
        let factor = left / free().map(|i| shares[i]).sum::<f64>();
        let off = |i: usize| factor * shares[i] - bounds[i].clamp(factor * shares[i]);
        let (over, under) = free()
            .map(off)
            .fold((0.0, 0.0), |(over, under), off| (over + off.max(0.0), under - off.min(0.0)));
        if over == 0.0 && under == 0.0 {
            return (0..shares.len()).map(|i| fixed[i].unwrap_or(factor * shares[i])).collect();
        }
        // Those on the side that is more off stay at their bound whatever becomes of the others.
        let stays = |off: f64| if over >= under { off > 0.0 } else { off < 0.0 };
        let now: Vec<usize> = free().filter(|i| stays(off(*i))).collect();
        for i in now {
            fixed[i] = Some(bounds[i].clamp(factor * shares[i]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(shares: &[f64], bounds: &[(u64, u64)], total: u64, expected: &[u64]) {
        let bounds: Vec<Bounds> =
            bounds.iter().map(|(least, most)| Bounds { least: *least, most: *most }).collect();
        assert_eq!(budgets(shares, &bounds, total), expected);
    }

    #[test]
    fn proportions_within_bounds() {
        check(&[1.0, 2.0, 1.0], &[(0, 100); 3], 40, &[10, 20, 10]);
        // Of 10: 2.5, 5 and 2.5; of two equal parts the first is rounded up.
        check(&[1.0, 2.0, 1.0], &[(0, 100); 3], 10, &[3, 5, 2]);
        // The second is full; the others share 30.
        check(&[1.0, 2.0, 2.0], &[(0, 100), (0, 10), (0, 100)], 40, &[10, 10, 20]);
        // The first has a floor; what is left is shared.
        check(&[1.0, 2.0, 2.0], &[(20, 100), (0, 100), (0, 100)], 40, &[20, 10, 10]);
        check(&[1.0, 3.0], &[(0, 0), (0, 7)], 7, &[0, 7]);
        check(&[], &[], 0, &[]);
    }

    proptest! {
        #[test]
        fn add_up_and_are_in_proportion(
            layers in prop::collection::vec((0.01..10.0_f64, 0_u64..50, 0_u64..50), 1..12),
            share in 0.0..=1.0_f64,
        ) {
            let shares: Vec<f64> = layers.iter().map(|l| l.0).collect();
            let bounds: Vec<Bounds> =
                layers.iter().map(|l| Bounds { least: l.1, most: l.1 + l.2 }).collect();
            let (least, most) =
                bounds.iter().fold((0, 0), |sum, b| (sum.0 + b.least, sum.1 + b.most));
            let total = least + (share * (most - least) as f64) as u64;
            let found = budgets(&shares, &bounds, total);
            prop_assert_eq!(found.iter().sum::<u64>(), total);
            // One factor serves all: whoever is above its share times it is at its least, and the reverse.
            let factors = |i: usize| {
                let (value, share) = (found[i] as f64, shares[i]);
                let low = if found[i] == bounds[i].least { 0.0 } else { (value - 1.0) / share };
                let high = if found[i] == bounds[i].most { f64::INFINITY } else { (value + 1.0) / share };
                (low, high)
            };
            let (low, high) = (0..shares.len()).map(factors).fold((0.0, f64::INFINITY), |all, own| {
                (f64::max(all.0, own.0), f64::min(all.1, own.1))
            });
            prop_assert!(low <= high * (1.0 + 1e-9), "{found:?}");
        }
    }
}
