//! Which values the integers from 0 to 255 are to stand for.

use kernels::integer::Rounding;

use crate::histogram::{Bin, Histogram};

/// How a range follows from the values that were seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The range with the least squared error, of a hundred that are as lopsided as the values.
    SquaredError,
    /// The range that leaves out this share of the values, half of it on each side.
    Percentile {
        /// A share of 1.
        outside: f64,
    },
}

/// A range of values, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The integers that stand for it.
    pub rounding: Rounding,
    /// The share of the values that lie beyond it.
    pub saturated: f64,
    /// Root of the mean squared error over the root of the mean square of the values.
    pub error: f64,
}

/// The steps between 256 integers.
const STEPS: f64 = 255.0;
/// Ranges that are tried.
const TRIED: usize = 100;
/// The narrowest of them, as a share of all values' range.
const NARROWEST: f64 = 0.2;

impl Range {
    /// The range of the values in `histogram` by `rule`. It always holds 0.
    ///
    /// Values that are all 0, or none, get a scale of 1.
    pub fn new(histogram: &Histogram, rule: Rule) -> Self {
        let bins: Vec<Bin> = histogram.bins().collect();
        let (low, high) = match rule {
            Rule::SquaredError => by_error(&bins),
            Rule::Percentile { outside } => by_share(&bins, outside),
        };
        Self::of(&bins, rounding(low, high))
    }

    fn of(bins: &[Bin], rounding: Rounding) -> Self {
        let total: u64 = bins.iter().map(|bin| bin.count).sum();
        let share = |sum: f64| if total == 0 { 0.0 } else { sum / total as f64 };
        let (low, high) = bounds(rounding);
        let half = f64::from(rounding.scale) / 2.0;
        let beyond = |bin: &&Bin| bin.middle < low - half || bin.middle > high + half;
        let saturated: u64 = bins.iter().filter(beyond).map(|bin| bin.count).sum();
        let square: f64 = bins.iter().map(|bin| bin.middle.powi(2) * bin.count as f64).sum();
        // Values that are all 0 are exact.
        let error = if square > 0.0 { (squared(bins, rounding) / square).sqrt() } else { 0.0 };
        Self { rounding, saturated: share(saturated as f64), error }
    }
}

/// The lowest and highest value of all bins, and 0.
fn extent(bins: &[Bin]) -> (f64, f64) {
    let all = || bins.iter().map(|bin| bin.middle);
    (all().fold(0.0, f64::min), all().fold(0.0, f64::max))
}

fn by_error(bins: &[Bin]) -> (f64, f64) {
    let (low, high) = extent(bins);
    let tried = (0..=TRIED).map(|i| {
        let share = NARROWEST + (1.0 - NARROWEST) * i as f64 / TRIED as f64;
        (low * share, high * share)
    });
    let error = |range: &(f64, f64)| squared(bins, rounding(range.0, range.1));
    let best = tried.min_by(|a, b| error(a).total_cmp(&error(b)));
    best.expect("some ranges are tried")
}

fn by_share(bins: &[Bin], outside: f64) -> (f64, f64) {
    let total: u64 = bins.iter().map(|bin| bin.count).sum();
    let most = outside / 2.0 * total as f64;
    let edge = |mut bins: &mut dyn Iterator<Item = &Bin>| {
        let mut left = 0;
        let found = (&mut bins).find(|bin| {
            left += bin.count;
            left as f64 > most
        });
        found.map_or(0.0, |bin| bin.middle)
    };
    (edge(&mut bins.iter()).min(0.0), edge(&mut bins.iter().rev()).max(0.0))
}

/// The integers for values from `low`, at most 0, to `high`, at least 0.
fn rounding(low: f64, high: f64) -> Rounding {
    let scale = ((high - low) / STEPS) as f32;
    if !scale.is_normal() {
        return Rounding { scale: 1.0, zero: 0 };
    }
    let zero = (-low / f64::from(scale)).round().clamp(0.0, STEPS) as u8;
    Rounding { scale, zero }
}

/// The least and the largest value that integers stand for.
fn bounds(rounding: Rounding) -> (f64, f64) {
    let value = |q: f64| (q - f64::from(rounding.zero)) * f64::from(rounding.scale);
    (value(0.0), value(STEPS))
}

/// The sum of squared errors: within the range those of values anywhere between two steps.
fn squared(bins: &[Bin], rounding: Rounding) -> f64 {
    let (low, high) = bounds(rounding);
    let within = f64::from(rounding.scale).powi(2) / 12.0;
    let of = |bin: &Bin| {
        let off = bin.middle - bin.middle.clamp(low, high);
        (off.powi(2) + within) * bin.count as f64
    };
    bins.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[f32]) -> Histogram {
        let bound = |of: fn(f32, f32) -> f32| values.iter().copied().fold(0.0, of);
        let mut histogram = Histogram::new(bound(f32::min), bound(f32::max));
        histogram.add(values.iter().copied());
        histogram
    }

    #[test]
    fn positive_values_use_all_integers() {
        let values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        for rule in [Rule::SquaredError, Rule::Percentile { outside: 0.0 }] {
            let range = Range::new(&histogram(&values), rule);
            assert_eq!(range.rounding.zero, 0, "{rule:?}");
            assert!((f64::from(range.rounding.scale) * 255.0 - 1.0).abs() < 0.01, "{range:?}");
            assert!(range.saturated < 0.005 && range.error < 0.003, "{range:?}");
        }
    }

    #[test]
    fn a_few_far_values_are_left_out() {
        let mut random = seed::stream(1, "test/range", 0);
        let mut values: Vec<f32> = (0..100_000).map(|_| random.unit() as f32).collect();
        values.extend([20.0; 3]);
        let all = histogram(&values);
        let widest = Range::new(&all, Rule::Percentile { outside: 0.0 });
        let share = Range::new(&all, Rule::Percentile { outside: 1e-3 });
        let least = Range::new(&all, Rule::SquaredError);
        assert!(share.rounding.scale < 0.06 * widest.rounding.scale, "{share:?}");
        // Three values so far off outweigh the steps of all others.
        assert!(least.error <= widest.error && least.error < share.error, "{least:?} {share:?}");
        assert!(share.saturated > 0.0);
        // One that is not so far does not.
        let mut values: Vec<f32> = (0..1_000_000).map(|_| random.unit() as f32).collect();
        values.push(3.0);
        let all = histogram(&values);
        let widest = Range::new(&all, Rule::Percentile { outside: 0.0 });
        let least = Range::new(&all, Rule::SquaredError);
        assert!(least.rounding.scale < 0.5 * widest.rounding.scale, "{least:?}");
        assert!(least.error < widest.error && least.saturated > 0.0, "{least:?} {widest:?}");
    }

    #[test]
    fn nothing_to_stand_for() {
        for values in [&[][..], &[0.0, 0.0]] {
            let range = Range::new(&histogram(values), Rule::SquaredError);
            assert_eq!(range.rounding, Rounding { scale: 1.0, zero: 0 });
            assert_eq!((range.saturated, range.error), (0.0, 0.0));
        }
    }

    proptest! {
        #[test]
        fn zero_is_exact_and_the_rest_near(values in prop::collection::vec(-5.0_f32..9.0, 1..300)) {
            let range = Range::new(&histogram(&values), Rule::Percentile { outside: 0.0 });
            let rounding = range.rounding;
            prop_assert_eq!(rounding.value(rounding.rounded(0.0)), 0.0);
            for value in values {
                let off = (rounding.value(rounding.rounded(value)) - value).abs();
                prop_assert!(off <= 1.01 * rounding.scale + 14.0 / 2048.0, "{value} {range:?}");
            }
        }
    }
}
