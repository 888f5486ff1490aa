//! What rounding weights does to the mean of outputs.

use inference::integer::{IntegerWeights, integers};
use inference::{Kind, Network};

/// `network` with biases less what rounding its weights to integers adds to the mean of each output, where the
/// channels of what it reads have these `means` (Nagel et al. 2019, "Data-free quantization through
/// weight equalization and bias correction", section 4.2; zeros beyond borders are not accounted for).
pub fn without_shift(mut network: Network, means: &[Vec<f64>]) -> Network {
    for layer in &mut network.layers {
        let Kind::Conv(conv) = &mut layer.kind else { continue };
        let means = &means[layer.inputs[0]];
        let IntegerWeights { weights, scales } = integers(conv).into_owned();
        let exact = conv.weight.floats();
        let (row, taps) = (conv.row(), conv.taps());
        let outputs = conv.bias.len();
        for (o, bias) in conv.bias.iter_mut().enumerate() {
            let group = o / (outputs / conv.groups);
            let first = group * (row / taps);
            let shift: f64 = (0..row)
                .map(|i| {
                    let rounded = f64::from(weights[o * row + i]) * f64::from(scales[o]);
                    let off = rounded - f64::from(exact[o * row + i]);
                    off * means[first + i / taps]
                })
                .sum();
            *bias = (f64::from(*bias) - shift) as f32;
        }
    }
    network
}
