//! Mean and standard deviation of each channel.

use rayon::prelude::*;

/// (mean, standard deviation) of R, G and B over the images `indices`, pixels scaled to `[0, 1]`.
///
/// The deviation is that of the population (divided by N, as usual for CIFAR-10's constants).
/// Sums are whole numbers, so the result does not depend on the order of summation.
pub(crate) fn of(pixels: &[u8], side: usize, indices: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let plane = side * side;
    let sums = |&i: &usize| {
        let image = &pixels[3 * plane * i..3 * plane * (i + 1)];
        [0, 1, 2].map(|c| plane_sums(&image[plane * c..plane * (c + 1)]))
    };
    let add = |a: [(u64, u64); 3], b: [(u64, u64); 3]| {
        [0, 1, 2].map(|c| (a[c].0 + b[c].0, a[c].1 + b[c].1))
    };
    let totals = indices.par_iter().map(sums).reduce(|| [(0, 0); 3], add);
    let n = (indices.len() * plane) as f64;
    totals.iter().map(|&(sum, squares)| moments(sum as f64 / n, squares as f64 / n)).unzip()
}

/// (sum, sum of squares).
fn plane_sums(plane: &[u8]) -> (u64, u64) {
    plane.iter().fold((0, 0), |(s, q), &p| (s + u64::from(p), q + u64::from(p) * u64::from(p)))
}

/// (mean, deviation) in `[0, 1]` of byte values with these means of x and of x squared.
fn moments(mean: f64, square: f64) -> (f64, f64) {
    (mean / 255.0, (square - mean * mean).max(0.0).sqrt() / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_and_reads_only_its_indices() {
        // Three 1x1 images; the second is not asked for.
        let pixels = [0, 51, 255, 9, 9, 9, 255, 153, 255];
        let (mean, std) = of(&pixels, 1, &[0, 2]);
        for (found, expected) in mean.iter().chain(&std).zip([0.5, 0.4, 1.0, 0.5, 0.2, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
