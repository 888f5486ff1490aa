//! Mean and standard deviation of each channel.

use artifact::Result;
use artifact::record::ImageShape;
use rayon::prelude::*;

use crate::Pixels;

/// Sum and sum of squares of each channel.
type Sums = Vec<(u64, u64)>;

/// (mean, standard deviation) of each channel over the images `indices`, pixels scaled to `[0, 1]`.
///
/// The deviation is that of the population (divided by N, as usual for CIFAR-10's constants).
/// Sums are whole numbers, so the result does not depend on the order of summation.
pub(crate) fn of(
    pixels: &Pixels,
    shape: ImageShape,
    indices: &[usize],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (plane, values) = (shape.pixels(), shape.values());
    let sums = |buffer: &mut Vec<u8>, &i: &usize| -> Result<Sums> {
        let image = pixels.get(values * i..values * (i + 1), buffer)?;
        Ok(image.chunks(plane).map(plane_sums).collect())
    };
    let none = || Ok(vec![(0, 0); shape.channels]);
    let add = |a: Sums, b: Sums| a.iter().zip(b).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect();
    let totals =
        indices.par_iter().map_init(Vec::new, sums).reduce(none, |a, b| Ok(add(a?, b?)))?;
    let n = (indices.len() * plane) as f64;
    Ok(totals.iter().map(|&(sum, squares)| moments(sum as f64 / n, squares as f64 / n)).unzip())
}

/// (sum, sum of squares).
fn plane_sums(plane: &[u8]) -> (u64, u64) {
    // The sums of a run fit into 32 bits, in which they are vector sums.
    const RUN: usize = 1 << 12;
    let run = |bytes: &[u8]| {
        bytes.iter().fold((0, 0), |(s, q), &p| (s + u32::from(p), q + u32::from(p) * u32::from(p)))
    };
    let runs = plane.chunks(RUN).map(run);
    runs.fold((0, 0), |(s, q), (sum, squares)| (s + u64::from(sum), q + u64::from(squares)))
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
        let pixels = vec![0, 51, 255, 9, 9, 9, 255, 153, 255].into();
        let (mean, std) = of(&pixels, ImageShape::square(1), &[0, 2]).expect("in memory");
        for (found, expected) in mean.iter().chain(&std).zip([0.5, 0.4, 1.0, 0.5, 0.2, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn sums_of_a_large_plane_do_not_overflow() {
        let plane = vec![255; 100_000];
        assert_eq!(plane_sums(&plane), (25_500_000, 6_502_500_000));
    }
}
