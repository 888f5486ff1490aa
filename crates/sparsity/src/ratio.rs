//! From a share to a number of weights.

/// How many of `total` weights the share `ratio` in `[0, 1]` is: `round(ratio * total)`, halves up.
///
/// The one place where the house rounds, so that scan, plan, pruner and size agree to the weight.
pub fn weights(ratio: f64, total: u64) -> u64 {
    (ratio * total as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::weights;

    #[test]
    fn rounds_to_the_nearest_weight() {
        let check = |ratio: f64, total: u64, expected: u64| {
            assert_eq!(weights(ratio, total), expected, "{ratio} of {total}");
        };
        check(0.0, 10, 0);
        check(0.25, 10, 3);
        check(0.9, 11_164_352, 10_047_917);
        check(1.0, 1728, 1728);
    }
}
