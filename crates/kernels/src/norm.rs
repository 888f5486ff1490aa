//! Batch normalisation (Ioffe and Szegedy 2015) over all pixels of all real images of a channel.

use rayon::prelude::*;

use crate::shared::Shared;
use crate::{LANES, Lanes, lanes, simd};

/// Sizes of a normalised activation.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    /// The batch.
    pub lanes: Lanes,
    /// Channels.
    pub channels: usize,
    /// Pixels of one channel.
    pub pixels: usize,
}

impl Plane {
    /// Values of one (block, channel).
    fn len(&self) -> usize {
        self.pixels * LANES
    }

    /// Where (block, channel) starts.
    fn start(&self, block: usize, channel: usize) -> usize {
        (block * self.channels + channel) * self.len()
    }

    /// Values over which a channel is averaged.
    fn count(&self) -> f64 {
        (self.lanes.images() * self.pixels) as f64
    }

    fn all(&self) -> usize {
        self.lanes.blocks() * self.channels * self.len()
    }

    /// Sums `f` over the real images of `channel`: f32 within a row of pixels, f64 above.
    #[inline(always)]
    fn sum<const K: usize>(
        &self,
        channel: usize,
        f: impl Fn(usize, &mut [[f32; LANES]; K]) + Copy,
    ) -> [f64; K] {
        let mut total = [0.0; K];
        for block in 0..self.lanes.blocks() {
            let (start, real) = (self.start(block, channel) / LANES, self.lanes.real(block));
            for piece in (0..self.pixels).step_by(PIECE) {
                let mut sums = [[0.0; LANES]; K];
                for p in piece..(piece + PIECE).min(self.pixels) {
                    f(start + p, &mut sums);
                }
                for k in 0..K {
                    total[k] += sums[k][..real].iter().map(|s| f64::from(*s)).sum::<f64>();
                }
            }
        }
        total
    }
}

/// Pixels summed in f32 before the sum goes into f64.
const PIECE: usize = 64;

/// Writes `stats[2 * c] = mean` and `stats[2 * c + 1] = biased variance` of each channel of `x`.
pub fn statistics(plane: Plane, x: &[f32], stats: &mut [f32]) {
    assert!(x.len() == plane.all() && stats.len() == 2 * plane.channels, "sizes");
    let x = lanes::vectors(x);
    stats.par_chunks_mut(2).enumerate().for_each(|(c, out)| {
        simd(|| {
            let [sum] = plane.sum(c, |i, s: &mut [[f32; LANES]; 1]| {
                (0..LANES).for_each(|l| s[0][l] += x[i][l]);
            });
            let mean = (sum / plane.count()) as f32;
            let [squares] = plane.sum(c, |i, s: &mut [[f32; LANES]; 1]| {
                (0..LANES).for_each(|l| s[0][l] += (x[i][l] - mean) * (x[i][l] - mean));
            });
            out[0] = mean;
            out[1] = (squares / plane.count()) as f32;
        });
    });
}

/// Moves `running` (mean or variance, interleaved as `stats`) towards the batch's: the variance
/// unbiased, as `PyTorch` keeps it. `part` is 0 for the mean, 1 for the variance.
pub fn update_running(
    plane: Plane,
    momentum: f32,
    stats: &[f32],
    part: usize,
    running: &mut [f32],
) {
    assert_eq!(stats.len(), 2 * running.len(), "channels");
    let n = plane.count();
    let unbias = if part == 1 && n > 1.0 { (n / (n - 1.0)) as f32 } else { 1.0 };
    for (r, s) in running.iter_mut().zip(stats.chunks(2)) {
        *r = (1.0 - momentum) * *r + momentum * (s[part] * unbias);
    }
}

/// What `apply` normalises with.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Mean and variance of each channel, interleaved.
    pub stats: &'a [f32],
    /// Scale of each channel.
    pub weight: &'a [f32],
    /// Shift of each channel.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// `y = (x - mean) / sqrt(var + eps) * weight + bias`, and 0 in lanes without an image: they have
/// no part in the statistics, so nothing else would keep them from growing layer by layer.
pub fn apply(plane: Plane, affine: Affine, x: &[f32], y: &mut [f32]) {
    assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
    let planes = y.par_chunks_mut(plane.len()).zip(x.par_chunks(plane.len())).enumerate();
    planes.for_each(|(i, (y, x))| {
        let c = i % plane.channels;
        let (mean, var) = (affine.stats[2 * c], affine.stats[2 * c + 1]);
        let scale = affine.weight[c] / (var + affine.eps).sqrt();
        let bias = affine.bias[c];
        simd(|| y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) * scale + bias));
        plane.lanes.clear_empty(i / plane.channels, y);
    });
}

/// Writes `sums[2 * c] = sum of dy` and `sums[2 * c + 1] = sum of dy * xhat`: the gradients of the
/// bias and of the weight.
pub fn gradient_sums(plane: Plane, affine: Affine, (x, dy): (&[f32], &[f32]), sums: &mut [f32]) {
    assert!(x.len() == plane.all() && dy.len() == plane.all(), "sizes");
    assert_eq!(sums.len(), 2 * plane.channels, "channels");
    let (x, dy) = (lanes::vectors(x), lanes::vectors(dy));
    sums.par_chunks_mut(2).enumerate().for_each(|(c, out)| {
        let (mean, var) = (affine.stats[2 * c], affine.stats[2 * c + 1]);
        simd(|| {
            let [plain, scaled] = plane.sum(c, |i, s: &mut [[f32; LANES]; 2]| {
                for l in 0..LANES {
                    s[0][l] += dy[i][l];
                    s[1][l] += dy[i][l] * (x[i][l] - mean);
                }
            });
            out[0] = plain as f32;
            out[1] = (scaled / (f64::from(var) + f64::from(affine.eps)).sqrt()) as f32;
        });
    });
}

/// `dx = weight / sqrt(var + eps) * (dy - mean(dy) - xhat * mean(dy * xhat))`, 0 in lanes without
/// an image, written over `dy`.
pub fn backward(plane: Plane, affine: Affine, (x, sums): (&[f32], &[f32]), dy: &mut [f32]) {
    assert!(x.len() == plane.all() && dy.len() == plane.all(), "sizes");
    let out = Shared::new(dy);
    let parts = plane.lanes.blocks() * plane.channels;
    (0..parts).into_par_iter().for_each(|i| {
        let (block, c) = (i / plane.channels, i % plane.channels);
        // SAFETY: each (block, channel) is one part and is visited once.
        #[allow(unsafe_code, reason = "disjoint parts of one slice")]
        let dy = unsafe { out.part(plane.start(block, c), plane.len()) };
        let x = &x[plane.start(block, c)..][..plane.len()];
        simd(|| one_plane(plane, affine, (block, c), (x, sums), dy));
    });
}

#[inline(always)]
fn one_plane(
    plane: Plane,
    affine: Affine,
    (block, c): (usize, usize),
    (x, sums): (&[f32], &[f32]),
    dy: &mut [f32],
) {
    let inverse = 1.0 / (affine.stats[2 * c + 1] + affine.eps).sqrt();
    let mean = affine.stats[2 * c];
    let mean_dy = (f64::from(sums[2 * c]) / plane.count()) as f32;
    let slope = (f64::from(sums[2 * c + 1]) / plane.count()) as f32 * inverse;
    let scale = affine.weight[c] * inverse;
    for (g, x) in lanes::vectors_mut(dy).iter_mut().zip(lanes::vectors(x)) {
        for l in 0..LANES {
            g[l] = (g[l] - mean_dy - (x[l] - mean) * slope) * scale;
        }
    }
    plane.lanes.clear_empty(block, dy);
}
