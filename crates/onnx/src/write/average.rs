//! The mean over a grid of windows as two matrix products, which covers every size of image and
//! grid: ONNX has no operator for it.

use geometry::Size;
use graph::Shape;

/// The matrix from the left, `windows x height`, of averages over a grid of windows on `x`.
pub fn rows(grid: Size, x: Shape) -> Vec<f32> {
    means(x.h, grid.h)
}

/// The matrix from the right, `width x windows`.
pub fn columns(grid: Size, x: Shape) -> Vec<f32> {
    transposed(&means(x.w, grid.w), x.w)
}

/// `n x size`: row `i` takes the mean of the pixels from `floor(i * size / n)` up to
/// `ceil((i + 1) * size / n)`, as `PyTorch`'s `AdaptiveAvgPool2d`.
pub(crate) fn means(size: usize, n: usize) -> Vec<f32> {
    let row = |i: usize| {
        let window = i * size / n..((i + 1) * size).div_ceil(n);
        let share = 1.0 / window.len() as f32;
        (0..size).map(move |at| if window.contains(&at) { share } else { 0.0 })
    };
    (0..n).flat_map(row).collect()
}

/// The transpose of a row-major matrix of `columns` columns.
fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|c| matrix[c..].iter().step_by(columns).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_adaptive_pooling() {
        let check = |size, n, expected: &[&[f32]]| {
            assert_eq!(means(size, n), expected.concat(), "{size} to {n}");
        };
        check(1, 2, &[&[1.0], &[1.0]]);
        check(2, 2, &[&[1.0, 0.0], &[0.0, 1.0]]);
        check(4, 2, &[&[0.5, 0.5, 0.0, 0.0], &[0.0, 0.0, 0.5, 0.5]]);
        // Neighbours share a pixel where the sizes do not divide.
        check(3, 2, &[&[0.5, 0.5, 0.0], &[0.0, 0.5, 0.5]]);
        check(2, 3, &[&[1.0, 0.0], &[0.5, 0.5], &[0.0, 1.0]]);
    }

    #[test]
    fn transposes() {
        assert_eq!(transposed(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }
}
