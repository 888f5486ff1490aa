//! The mean over a grid of windows as two matrix products, which covers every size of image and
//! grid: ONNX has no operator for it.

use graph::{Graph, Op, Shape};

use crate::proto::Tensor;

/// The name of the matrix from the left, `windows x height`, of the average `node`.
pub fn rows(node: &str) -> String {
    format!("{node}.rows")
}

/// The name of the matrix from the right, `width x windows`, of the average `node`.
pub fn columns(node: &str) -> String {
    format!("{node}.columns")
}

/// The matrices of every average over more than one window.
pub fn tensors(graph: &Graph) -> Vec<Tensor> {
    let of_node = |node: &graph::Node| match node.op {
        Op::Average(n) if n > 1 => both(&node.name, n, graph.nodes()[node.inputs[0]].shape).into(),
        _ => vec![],
    };
    graph.nodes().iter().flat_map(of_node).collect()
}

fn both(node: &str, n: usize, x: Shape) -> [Tensor; 2] {
    let (left, right) = (means(x.h, n), transposed(&means(x.w, n), x.w));
    [Tensor::new(&rows(node), &[n, x.h], &left), Tensor::new(&columns(node), &[x.w, n], &right)]
}

/// `n x size`: row `i` takes the mean of the pixels from `floor(i * size / n)` up to
/// `ceil((i + 1) * size / n)`, as `PyTorch`'s `AdaptiveAvgPool2d`.
fn means(size: usize, n: usize) -> Vec<f32> {
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
