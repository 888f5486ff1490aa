//! Named random streams.
//!
//! Every random number of the workspace is a pure function of
//! `(seed, purpose, index)`: the same triple gives the same numbers on every
//! machine, for any number of threads, and after any interruption. Nothing is
//! seeded from the clock, and no generator is shared between two purposes.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A generator of one `(seed, purpose, index)` stream.
pub struct Stream(ChaCha8Rng);

/// Opens the stream of `purpose` (say, `"train/shuffle"`) at `index` (say, the epoch).
pub fn stream(seed: u64, purpose: &str, index: u64) -> Stream {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&fnv1a64(purpose).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    Stream(ChaCha8Rng::from_seed(key))
}

/// 64-bit FNV-1a of the UTF-8 text (Fowler, Noll, Vo).
pub fn fnv1a64(text: &str) -> u64 {
    text.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3))
}

impl Stream {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..n`, without bias (Lemire's multiply-and-reject).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is no number below 0");
        let n = n as u64;
        let reject = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.bits()) * u128::from(n);
            if wide as u64 >= reject {
                return (wide >> 64) as usize;
            }
        }
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Standard normal (Box-Muller, one value a call).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma distribution of this shape and scale 1 (Marsaglia and Tsang 2000; a shape below 1 by
    /// their boost of the next one).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * (1.0 - self.unit()).powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < x * x / 2.0 + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta distribution, in `[0, 1]`.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        // Both round to 0 where a and b are tiny; the distribution is one of 0 and 1 there.
        if x + y > 0.0 { x / (x + y) } else { f64::from(u8::from(self.chance(a / (a + b)))) }
    }

    /// Fisher-Yates shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// The indices `0..n` in the random order of `(seed, purpose, index)`.
pub fn permutation(seed: u64, purpose: &str, index: u64, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    stream(seed, purpose, index).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_triple_same_numbers() {
        let take = |s, p, i| {
            let mut r = stream(s, p, i);
            [r.bits(), r.bits()]
        };
        assert_eq!(take(1, "a", 2), take(1, "a", 2));
        assert_ne!(take(1, "a", 2), take(2, "a", 2));
        assert_ne!(take(1, "a", 2), take(1, "b", 2));
        assert_ne!(take(1, "a", 2), take(1, "a", 3));
    }

    #[test]
    fn streams_never_change_between_releases() {
        assert_eq!(permutation(42, "split", 0, 8), permutation(42, "split", 0, 8));
        assert_eq!(fnv1a64("a"), 0xAF63_DC4C_8601_EC8C);
    }

    #[test]
    fn permutation_holds_each_index_once() {
        let mut p = permutation(7, "x", 0, 1000);
        assert_ne!(p, (0..1000).collect::<Vec<_>>());
        p.sort_unstable();
        assert_eq!(p, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn moments_are_right() {
        let mut r = stream(3, "moments", 0);
        let n = 20_000;
        let xs: Vec<f64> = (0..n).map(|_| r.normal()).collect();
        let mean = xs.iter().sum::<f64>() / f64::from(n);
        let var = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((var - 1.0).abs() < 0.05, "variance {var}");
        let mut check = |a: f64, b: f64| {
            let xs: Vec<f64> = (0..n).map(|_| r.beta(a, b)).collect();
            assert!(xs.iter().all(|x| (0.0..=1.0).contains(x)), "{a} {b}");
            let mean = xs.iter().sum::<f64>() / f64::from(n);
            let var = xs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
            let expected = a * b / ((a + b).powi(2) * (a + b + 1.0));
            assert!((mean - a / (a + b)).abs() < 0.01, "{a} {b}: mean {mean}");
            assert!((var / expected - 1.0).abs() < 0.05, "{a} {b}: variance {var}");
        };
        check(0.2, 0.2);
        check(1.0, 1.0);
        check(2.0, 5.0);
        check(1e-4, 1e-4);
        let hits = (0..n).filter(|_| r.below(5) == 4).count();
        assert!((hits as f64 / f64::from(n) - 0.2).abs() < 0.01);
    }
}
