//! Rounds of pruning and fine-tuning: each prunes a share of what remains, the last one hits the target.

use crate::weights;

/// Rounds of pruning `rate` of what remains until the share `last` is gone, both in `(0, 1)`:
/// the smallest n with `1 - (1 - rate)^n >= last`.
pub fn rounds(rate: f64, last: f64) -> u64 {
    let exact = (1.0 - last).ln() / (1.0 - rate).ln();
    // A whole number comes out a few units in the last place off.
    (exact - 1e-9).ceil().max(1.0) as u64
}

/// How many of `total` weights are pruned after the next round, where `pruned` are now.
///
/// A round takes `rate` of what remains, rounded up, so that [`rounds`] of them always suffice;
/// the result never exceeds the final target, `round(last * total)`.
pub fn next_target(pruned: u64, total: u64, rate: f64, last: f64) -> u64 {
    let remains = total.saturating_sub(pruned);
    let more = (rate * remains as f64).ceil() as u64;
    (pruned + more).min(weights(last, total))
}

/// The number, from 1, of the round that starts where `pruned` of `total` weights are pruned.
pub fn round(pruned: u64, total: u64, rate: f64, last: f64) -> usize {
    let (mut target, mut round) = (0, 1);
    loop {
        let next = next_target(target, total, rate, last);
        if next > pruned || next == target {
            return round;
        }
        (target, round) = (next, round + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_of_experiment_c() {
        let check = |rate: f64, last: f64, expected: u64| {
            assert_eq!(rounds(rate, last), expected, "{rate} to {last}");
        };
        check(0.11, 0.5, 6);
        check(0.11, 0.75, 12);
        check(0.11, 0.9, 20);
        check(0.1, 0.19, 2);
        check(0.5, 0.75, 2);
        check(0.5, 0.1, 1);
    }

    proptest! {
        #[test]
        fn targets_grow_and_the_last_round_hits_exactly(
            total in 1_u64..20_000_000,
            rate in 0.01..0.99_f64,
            last in 0.01..0.99_f64,
        ) {
            let mut pruned = 0;
            for number in 1..=rounds(rate, last) {
                prop_assert!(pruned == weights(last, total)
                    || round(pruned, total, rate, last) as u64 == number);
                let next = next_target(pruned, total, rate, last);
                prop_assert!(next >= pruned);
                pruned = next;
            }
            prop_assert_eq!(pruned, weights(last, total));
        }
    }
}
