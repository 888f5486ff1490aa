//! What "agrees" means.

use proptest::test_runner::{Config, RngSeed};
use seed::stream;

/// Step of the central differences. Kinks must be farther than this from every input.
pub const H: f64 = 1e-4;
/// Largest difference between a gradient's slope along a direction and the central difference,
/// over the gradient's norm.
const SLOPE: f64 = 1e-5;
/// What the central difference of a zero gradient may come to, by rounding in f64.
const ROUNDING: f64 = 1e-9;

/// The environment variable that changes the number of cases of each property test.
pub const CASES: &str = "PROPTEST_CASES";

/// Property tests of 100 cases, the same ones at each run.
pub fn cases() -> Config {
    let cases = std::env::var(CASES).map_or(100, |n| n.parse().expect("a number of cases"));
    Config { cases, rng_seed: RngSeed::Fixed(42), failure_persistence: None, ..Config::default() }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "lengths");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Asserts that the norm of the difference over that of `expected` is within `tolerance`.
#[track_caller]
pub fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "lengths");
    let difference: Vec<f64> = found.iter().zip(expected).map(|(f, e)| f - e).collect();
    let (difference, size) = (norm(&difference), norm(expected));
    assert!(difference <= tolerance * size, "off by {difference:e}, of {size:e}");
}

/// Asserts that `grad` is the gradient of `f` at `x`: its slope along each of three random
/// directions is the central difference of `f`.
#[track_caller]
pub fn gradient(f: impl Fn(&[f64]) -> f64, x: &[f64], grad: &[f64]) {
    for index in 0..3 {
        let mut random = stream(x.len() as u64, "test/direction", index);
        let direction: Vec<f64> = x.iter().map(|_| random.range(-1.0, 1.0)).collect();
        let moved =
            |h: f64| -> Vec<f64> { x.iter().zip(&direction).map(|(x, d)| x + h * d).collect() };
        let slope = (f(&moved(H)) - f(&moved(-H))) / (2.0 * H);
        let difference = (slope - dot(grad, &direction)).abs();
        let size = norm(grad);
        assert!(difference <= SLOPE * size + ROUNDING, "off by {difference:e}, of {size:e}");
    }
}

/// Asserts that `kernel` gives the same bits on 1, 2 and 3 threads.
#[track_caller]
pub fn same_on_any_threads(kernel: impl Fn() -> Vec<f32> + Send + Sync) {
    let on = |threads: usize| -> Vec<u32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let values = pool.expect("threads start").install(&kernel);
        values.iter().map(|v| v.to_bits()).collect()
    };
    let one = on(1);
    assert!(!one.is_empty(), "nothing to compare");
    assert!(one == on(2), "2 threads differ from 1");
    assert!(one == on(3), "3 threads differ from 1");
}
