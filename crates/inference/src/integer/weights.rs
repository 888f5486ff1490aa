//! Weights as integers.

use std::borrow::Cow;

use kernels::integer::{rounded_weight, weight_scale};
use packed::IntegerWeights;
use rayon::prelude::*;

use crate::{Conv, Weight};

/// The weights of `conv`: numbers are rounded, each output's by its largest (the scale is 1 where all are 0).
pub fn integers(conv: &Conv) -> Cow<'_, IntegerWeights> {
    let floats = match &conv.weight {
        Weight::Integers(own) => return Cow::Borrowed(own),
        Weight::Floats(floats) => floats,
    };
    let mut weights = vec![0_i8; floats.len()];
    let mut scales = vec![1.0; conv.bias.len()];
    let rows = floats.par_chunks_exact(conv.row()).zip(weights.par_chunks_exact_mut(conv.row()));
    rows.zip(&mut scales).for_each(|((row, integers), scale)| {
        *scale = weight_scale(row);
        // Zeros, which most weights may be, need no division.
        for (integer, weight) in integers.iter_mut().zip(row).filter(|(_, w)| **w != 0.0) {
            *integer = rounded_weight(*weight, *scale);
        }
    });
    Cow::Owned(IntegerWeights { weights, scales })
}

#[cfg(test)]
mod tests {
    use kernels::Window;

    use super::*;

    #[test]
    fn each_output_by_its_largest() {
        let weight = Weight::Floats(vec![1.0, -0.5, 0.0, 0.0, 0.25, -127.0]);
        let window = Window::square(1, 1, 0);
        let conv = Conv { window, groups: 1, weight, bias: vec![0.0; 3] };
        let found = integers(&conv);
        assert_eq!(found.weights, [127, -64, 0, 0, 0, -127]);
        assert_eq!(found.scales, [1.0 / 127.0, 1.0, 1.0]);
        let own = Conv { weight: Weight::Integers(found.clone().into_owned()), ..conv.clone() };
        assert_eq!(integers(&own), found, "as they are");
        let weight = Weight::Floats(own.weight.floats().into_owned());
        let again = Conv { weight, ..conv.clone() };
        let again = integers(&again);
        assert_eq!(again.weights, found.weights);
    }
}
