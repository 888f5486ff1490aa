//! What the tests of this crate share: an obvious way to run a network, and networks to run.

#![allow(dead_code, reason = "each test takes what it needs")]

pub mod layers;
pub mod random;
pub mod reference;
pub mod zoo;

use proptest::test_runner::{Config, RngSeed};

/// The environment variable that changes the number of cases of each property test.
const CASES: &str = "PROPTEST_CASES";

/// A property test of `usual` cases, the same ones at each run.
pub fn cases(usual: u32) -> Config {
    let cases = std::env::var(CASES).map_or(usual, |n| n.parse().expect("a number of cases"));
    Config { cases, rng_seed: RngSeed::Fixed(42), failure_persistence: None, ..Config::default() }
}

/// Asserts that the norm of the difference over that of `expected` is within `tolerance`.
#[track_caller]
pub fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "lengths");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(f, e)| f - e));
    let size = norm(&mut expected.iter().copied());
    assert!(difference <= tolerance * size, "off by {difference:e}, of {size:e}");
}

/// The values of an image for `network`.
pub fn image(network: &inference::Network, seed: u64) -> Vec<f64> {
    let mut random = seed::stream(seed, "test/image", 0);
    (0..network.layers[0].shape.count()).map(|_| f64::from(random.normal() as f32)).collect()
}
