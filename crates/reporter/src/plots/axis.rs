//! Axes: ranges that cannot be empty, and round ticks.

use crate::format;

/// One axis: its range and its ticks.
pub struct Axis {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Where its ticks are, and what they say.
    pub ticks: Vec<(f64, String)>,
    /// What it counts.
    pub title: String,
}

impl Axis {
    /// An axis over the finite ones of `values`, wide enough to show even a single value; `unit`
    /// stands behind each tick.
    pub fn over(values: impl IntoIterator<Item = f64>, title: &str, unit: &str) -> Self {
        let (low, high) = range(values);
        let step = step(high - low, 5.0);
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self::stepped((low, high), step, (title, unit))
    }

    /// As [`Axis::over`] within what can be: 0 to 100.
    pub fn percent(values: impl IntoIterator<Item = f64>, title: &str) -> Self {
        let axis = Self::over(values, title, " %");
        let (low, high) = (axis.low.max(0.0), axis.high.min(100.0));
        let ticks = axis.ticks.into_iter().filter(|t| t.0 >= low - 1e-9 && t.0 <= high + 1e-9);
        Self { low, high, ticks: ticks.collect(), title: axis.title }
    }

    /// Whole numbers from 1 to `last`; the range is that of at least two.
    pub fn epochs(last: usize) -> Self {
        let high = last.max(2) as f64;
        let step = step(high, 6.0).max(1.0);
        let first = if step > 1.0 { 0.0 } else { 1.0 };
        let mut axis = Self::stepped((first, high), step, ("epoch", ""));
        axis.ticks.retain(|t| t.0 >= 1.0);
        axis
    }

    /// From `-limit` to `limit`, with few ticks.
    pub fn symmetric(limit: f64, title: &str) -> Self {
        // The largest round step that leaves a tick on each side.
        let power = 10_f64.powf((limit * 0.8).log10().floor());
        let factor = [5.0, 2.0, 1.0].into_iter().find(|f| f * power <= limit * 0.8).unwrap_or(1.0);
        let mut axis = Self::stepped((-limit, limit), factor * power, (title, ""));
        axis.ticks.retain(|t| t.0.abs() < limit * 0.95);
        axis
    }

    /// Counts from 0 to `highest`.
    pub fn counts(highest: f64) -> Self {
        let step = step(highest.max(1.0), 3.0).max(1.0);
        let high = (highest.max(1.0) / step).ceil() * step;
        let mut axis = Self::stepped((0.0, high), step, ("", ""));
        axis.ticks.iter_mut().for_each(|t| t.1 = format::short(t.0));
        axis
    }

    /// Counts on a logarithmic axis that has room for none: values are `log10(1 + count)`.
    pub fn log_counts(highest: f64) -> Self {
        let high = logarithm(highest.max(9.0));
        let tens = (1..=high.floor() as i32).map(|power| {
            let count = 10_f64.powi(power);
            (logarithm(count), format::short(count))
        });
        let ticks = std::iter::once((0.0, "0".to_owned())).chain(tens).collect();
        Self { low: 0.0, high, ticks, title: String::new() }
    }

    /// Bytes on a logarithmic axis, a tick a power of two: values are `log2(count)`.
    pub fn bytes(counts: impl IntoIterator<Item = f64>, title: &str) -> Self {
        let (low, high) = range(counts.into_iter().map(f64::log2));
        let (low, high) = (low.floor().max(0.0), high.ceil().min(60.0));
        let apart = ((high - low) / 6.0).ceil().max(1.0) as usize;
        let label = |power: u32| match power {
            0..10 => format!("{} B", 1_u64 << power),
            10..20 => format!("{} KiB", 1_u64 << (power - 10)),
            _ => format!("{} MiB", 1_u64 << (power - 20)),
        };
        let ticks = (low as u32..=high as u32).step_by(apart);
        let ticks = ticks.map(|power| (f64::from(power), label(power))).collect();
        Self { low, high, ticks, title: title.to_owned() }
    }

    fn stepped((low, high): (f64, f64), step: f64, (title, unit): (&str, &str)) -> Self {
        let digits = (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
        let (first, last) = ((low / step).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let ticks = (first..=last).map(|i| {
            let value = i as f64 * step;
            let number = if i == 0 { "0".to_owned() } else { format!("{value:.digits$}") };
            (value, format!("{}{unit}", number.replace('-', "−")))
        });
        Self { low, high, ticks: ticks.collect(), title: title.to_owned() }
    }

    /// How far along the axis `value` lies: 0 at its lower end, 1 at its upper.
    pub fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// Where a count stands on a logarithmic axis with room for zero.
pub fn logarithm(count: f64) -> f64 {
    (1.0 + count).log10()
}

/// The range of the finite ones of `values`, never empty.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = values.into_iter().filter(|v| v.is_finite());
    let ends = finite.fold(None, |ends: Option<(f64, f64)>, v| {
        Some(ends.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
    });
    match ends {
        None => (0.0, 1.0),
        Some((low, high)) if high - low > 1e-9 * high.abs().max(1.0) => (low, high),
        Some((low, high)) => {
            let room = 0.02 * high.abs().max(0.5);
            (low - room, high + room)
        }
    }
}

/// The round step (1, 2 or 5 times a power of ten) that cuts `span` into about `parts`.
fn step(span: f64, parts: f64) -> f64 {
    let raw = span / parts;
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= raw * 0.999).unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        let check = |span: f64, expected: f64| {
            assert!((step(span, 5.0) / expected - 1.0).abs() < 1e-9, "{}", step(span, 5.0));
        };
        check(1.0, 0.2);
        check(87.0, 20.0);
        check(0.03, 0.01);
        check(5.0, 1.0);
    }

    #[test]
    fn no_range_is_empty_and_no_tick_is_nan() {
        for values in [vec![], vec![5.0], vec![0.0, 0.0], vec![f64::NAN, 3.0], vec![1e-12, 2e-12]] {
            let axis = Axis::over(values.clone(), "t", " %");
            assert!(axis.high > axis.low && axis.ticks.len() > 1, "{values:?}");
            assert!(axis.ticks.iter().all(|t| !t.1.contains("NaN")), "{:?}", axis.ticks);
        }
    }

    #[test]
    fn percentages_stay_in_bounds_and_epochs_whole() {
        let axis = Axis::percent([99.9, 100.0], "t");
        assert!(axis.high <= 100.0 && axis.ticks.iter().all(|t| t.0 <= 100.0 + 1e-9));
        let labels = |last| Axis::epochs(last).ticks.into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels(1), ["1", "2"]);
        assert_eq!(labels(12), ["2", "4", "6", "8", "10", "12"]);
        let weights = Axis::symmetric(0.042, "t").ticks.into_iter().map(|t| t.1);
        assert_eq!(weights.collect::<Vec<_>>(), ["−0.02", "0", "0.02"]);
        assert_eq!(Axis::log_counts(0.0).ticks[0].1, "0");
    }

    #[test]
    fn bytes_have_ticks_at_powers_of_two() {
        let check = |counts: &[f64], expected: &[&str]| {
            let ticks = Axis::bytes(counts.iter().copied(), "t").ticks.into_iter().map(|t| t.1);
            assert_eq!(ticks.collect::<Vec<_>>(), expected);
        };
        check(&[300e3, 1.3e6], &["256 KiB", "512 KiB", "1 MiB", "2 MiB"]);
        check(&[900.0, 40e6], &["512 B", "4 KiB", "32 KiB", "256 KiB", "2 MiB", "16 MiB"]);
        check(&[1000.0], &["512 B", "1 KiB", "2 KiB"]);
        check(&[], &["1 B", "2 B"]);
    }
}
