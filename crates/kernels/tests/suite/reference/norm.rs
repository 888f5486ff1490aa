//! Batch normalisation.

use kernels::Activation;

use super::activation;
use crate::array::Array;

/// What the channels are normalised with.
pub struct Affine<'a> {
    pub weight: &'a [f64],
    pub bias: &'a [f64],
    pub eps: f64,
}

/// Where the values of one channel stand, image after image.
fn places(x: &Array, c: usize) -> Vec<usize> {
    let pixels = x.shape[2] * x.shape[3];
    (0..x.shape[0]).flat_map(|n| (0..pixels).map(move |p| x.index([n, c, 0, 0]) + p)).collect()
}

/// Mean and biased variance of each channel.
pub fn statistics(x: &Array) -> Vec<[f64; 2]> {
    let one = |c| {
        let values: Vec<f64> = places(x, c).into_iter().map(|i| x.values[i]).collect();
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

/// `z + add`, and the activation of that.
pub fn tail(z: &Array, add: Option<&Array>, activation: Option<Activation>) -> Array {
    let mut y = z.clone();
    for (i, v) in y.values.iter_mut().enumerate() {
        *v += add.map_or(0.0, |add| add.values[i]);
        *v = activation.map_or(*v, |activation| activation::of(activation, *v));
    }
    y
}

/// Normalises each pixel of each image over its channels; weight or bias may be empty for none.
pub fn layer(x: &Array, affine: &Affine) -> Array {
    let [_, channels, h, w] = x.shape;
    let mut y = x.clone();
    for (image, y) in x.values.chunks(channels * h * w).zip(y.values.chunks_mut(channels * h * w)) {
        for pixel in 0..h * w {
            let values: Vec<f64> = image[pixel..].iter().step_by(h * w).copied().collect();
            let mean = values.iter().sum::<f64>() / channels as f64;
            let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let root = (squares / channels as f64 + affine.eps).sqrt();
            for (c, v) in values.iter().enumerate() {
                let (weight, bias) = (affine.weight.get(c), affine.bias.get(c));
                y[c * h * w + pixel] =
                    (v - mean) / root * weight.unwrap_or(&1.0) + bias.unwrap_or(&0.0);
            }
        }
    }
    y
}

/// Given the gradient of train mode's output: that of its input, and those of bias and weight of
/// each channel, interleaved. The chain rule by way of variance and mean, as in the paper.
pub fn gradients(x: &Array, dz: &Array, affine: &Affine) -> (Array, Vec<f64>) {
    let (mut dx, mut sums) = (x.clone(), Vec::new());
    for (c, [mean, variance]) in statistics(x).into_iter().enumerate() {
        let (places, root) = (places(x, c), (variance + affine.eps).sqrt());
        let (centred, dz) = (|i: usize| x.values[i] - mean, |i: usize| dz.values[i]);
        let bias: f64 = places.iter().map(|i| dz(*i)).sum();
        let weight: f64 = places.iter().map(|i| dz(*i) * centred(*i) / root).sum();
        let (n, scale) = (places.len() as f64, affine.weight[c]);
        let of_variance = -0.5 * scale * weight / root.powi(2);
        let of_mean = -scale * bias / root;
        for i in places {
            let through = of_variance * 2.0 * centred(i) / n + of_mean / n;
            dx.values[i] = dz(i) * scale / root + through;
        }
        sums.extend([bias, weight]);
    }
    (dx, sums)
}
