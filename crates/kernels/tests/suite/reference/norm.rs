//! Batch normalisation.

use crate::array::Array;

/// What the channels are normalised with.
pub struct Affine<'a> {
    pub weight: &'a [f64],
    pub bias: &'a [f64],
    pub eps: f64,
}

/// The values of one channel, image after image.
pub fn channel(x: &Array, c: usize) -> Vec<f64> {
    let pixels = x.shape[2] * x.shape[3];
    let images = 0..x.shape[0];
    images.flat_map(|n| x.values[x.index([n, c, 0, 0])..][..pixels].to_vec()).collect()
}

/// Mean and biased variance of each channel.
pub fn statistics(x: &Array) -> Vec<[f64; 2]> {
    let one = |c| {
        let values = channel(x, c);
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        [mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count]
    };
    (0..x.shape[1]).map(one).collect()
}

/// `y = (x - mean) / sqrt(var + eps) * weight + bias`.
pub fn apply(x: &Array, stats: &[[f64; 2]], affine: &Affine) -> Array {
    let mut y = x.clone();
    let pixels = x.shape[2] * x.shape[3];
    for (i, plane) in y.values.chunks_mut(pixels).enumerate() {
        let c = i % x.shape[1];
        let [mean, variance] = stats[c];
        for v in plane {
            let normal = (*v - mean) / (variance + affine.eps).sqrt();
            *v = normal * affine.weight[c] + affine.bias[c];
        }
    }
    y
}

/// Train mode: with the batch's own statistics.
pub fn train(x: &Array, affine: &Affine) -> Array {
    apply(x, &statistics(x), affine)
}
