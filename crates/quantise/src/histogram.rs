//! How often values of each size occur.

/// Bins of a histogram.
pub const BINS: usize = 2048;

/// Counts of values between two bounds, in equal bins.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

impl Histogram {
    /// Of no values yet, all of which are to lie from `low` to `high`.
    pub fn new(low: f32, high: f32) -> Self {
        assert!(low <= high, "bounds in order");
        Self { low, high, counts: vec![0; BINS] }
    }

    /// Counts `values`.
    pub fn add(&mut self, values: impl Iterator<Item = f32>) {
        let width = (self.high - self.low).max(f32::MIN_POSITIVE);
        for value in values {
            let place = (value - self.low) / width * BINS as f32;
            // As an integer it is within the bins, whatever rounding does at the bounds.
            self.counts[(place as usize).min(BINS - 1)] += 1;
        }
    }

    /// Values counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The middle of each bin that holds values, with their number.
    pub fn bins(&self) -> impl Iterator<Item = Bin> {
        let width = (f64::from(self.high) - f64::from(self.low)) / BINS as f64;
        let middle = move |i: usize| f64::from(self.low) + (i as f64 + 0.5) * width;
        let bins = self.counts.iter().enumerate();
        bins.filter(|(_, count)| **count > 0)
            .map(move |(i, count)| Bin { middle: middle(i), count: *count })
    }
}

/// Values of nearly the same size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Their size.
    pub middle: f64,
    /// How many.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_bins() {
        let mut histogram = Histogram::new(-1.0, 1.0);
        histogram.add([-1.0, 1.0, 0.0005, 0.0004].into_iter());
        assert_eq!(histogram.total(), 4);
        let bins: Vec<Bin> = histogram.bins().collect();
        let half = 1.0 / BINS as f64;
        let expected = [(-1.0 + half, 1), (half, 2), (1.0 - half, 1)];
        let found: Vec<(f64, u64)> = bins.iter().map(|bin| (bin.middle, bin.count)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_value_is_a_range() {
        let mut histogram = Histogram::new(2.0, 2.0);
        histogram.add([2.0; 3].into_iter());
        assert_eq!(histogram.total(), 3);
    }
}
