//! Magnitude times the norm of the input.

/// `|w|` times the L2 norm, over all images and windows, of what the weight is multiplied with, which has this sum of
/// squares (Sun et al. 2023, "A simple and effective pruning approach for large language models", equation 1).
pub(super) fn score(weight: f32, squares: f64) -> f64 {
    f64::from(weight.abs()) * squares.sqrt()
}
