//! Weights as integers.

use rayon::prelude::*;

use crate::Conv;

/// The weights of a convolution as integers with a scale for each output.
#[derive(Debug, Clone, PartialEq)]
pub struct Integers {
    /// In the order of the tensor, from -127 to 127.
    pub weights: Vec<i8>,
    /// What the integers of each output are multiplied with; 1 where all are 0.
    pub scales: Vec<f32>,
}

/// Steps of a weight on each side of 0.
const STEPS: f32 = 127.0;

/// The weights of `conv`, each output's by its largest; integers that were stored so come back as they were.
pub fn integers(conv: &Conv) -> Integers {
    let mut weights = vec![0_i8; conv.weight.len()];
    let mut scales = vec![1.0; conv.bias.len()];
    let rows =
        conv.weight.par_chunks_exact(conv.row()).zip(weights.par_chunks_exact_mut(conv.row()));
    rows.zip(&mut scales).for_each(|((row, integers), scale)| {
        let largest = row.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
        if largest > 0.0 {
            *scale = largest / STEPS;
        }
        // Zeros, which most weights may be, need no division.
        for (integer, weight) in integers.iter_mut().zip(row).filter(|(_, w)| **w != 0.0) {
            *integer = (weight / *scale).round() as i8;
        }
    });
    Integers { weights, scales }
}

#[cfg(test)]
mod tests {
    use kernels::Window;

    use super::*;

    #[test]
    fn each_output_by_its_largest() {
        let weight = vec![1.0, -0.5, 0.0, 0.0, 0.25, -127.0];
        let window = Window::square(1, 1, 0);
        let conv = Conv { window, groups: 1, weight, bias: vec![0.0; 3] };
        let found = integers(&conv);
        assert_eq!(found.weights, [127, -64, 0, 0, 0, -127]);
        assert_eq!(found.scales, [1.0 / 127.0, 1.0, 1.0]);
        let weight: Vec<f32> = found
            .weights
            .iter()
            .enumerate()
            .map(|(i, q)| f32::from(*q) * found.scales[i / 2])
            .collect();
        let again = integers(&Conv { weight, ..conv });
        assert_eq!(again.weights, found.weights);
    }
}
