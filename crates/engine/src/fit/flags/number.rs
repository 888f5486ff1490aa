//! Numbers of flags, checked while the command line is read.

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if v.is_finite() && fits(v) => Ok(v),
        _ => Err(format!("expected {expected}")),
    }
}

pub(in crate::fit) fn positive(text: &str) -> Result<f64, String> {
    number(text, |v| v > 0.0, "a number over 0")
}

pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |v| v >= 0.0, "a number of 0 or more")
}

pub(in crate::fit) fn probability(text: &str) -> Result<f64, String> {
    number(text, |v| (0.0..=1.0).contains(&v), "a number from 0 to 1")
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    number(text, |v| (0.0..1.0).contains(&v), "a number from 0 up to, but not, 1")
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a whole number over 0".into())
}

/// Each holds batches in memory; more would not be kept busy.
const MOST_WORKERS: usize = 64;

pub(super) fn workers(text: &str) -> Result<usize, String> {
    let known = text.parse().ok().filter(|n| (1..=MOST_WORKERS).contains(n));
    known.ok_or_else(|| format!("expected a whole number from 1 to {MOST_WORKERS}"))
}
