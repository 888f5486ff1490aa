//! Layer normalisation over the channels of each pixel of each image (Ba et al. 2016; Liu et al.
//! 2022 for maps).
//!
//! A task is some pixels of a block with all of their channels, which are strided parts of it.
#![allow(
    unsafe_code,
    reason = "the channels of some pixels are strided, disjoint parts of a slice"
)]

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{Affine, Plane};
use crate::shared::Shared;
use crate::{LANES, isa, lanes};

/// Values of sixteen images.
type Vector = [f32; LANES];

/// Pixels of a task.
const PIXELS: usize = 16;

/// Sizes and parameters of a layer norm.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm<'a> {
    /// Sizes.
    pub plane: Plane,
    /// Scale and shift of each channel; either may be empty for none.
    pub affine: Affine<'a>,
}

impl LayerNorm<'_> {
    /// `y = (x - mean) / sqrt(var + eps) * weight + bias` with mean and biased variance over the
    /// channels of each pixel, 0 in lanes without an image.
    pub fn forward(&self, x: &[f32], y: &mut [f32]) {
        self.check(x, y);
        let out = &Shared::new(y);
        (0..self.tasks()).into_par_iter().for_each(|task| {
            isa::dispatch(Forward { task: &self.task(task, x), affine: &self.affine, out });
        });
    }

    /// Turns `grad`, the gradient of the output, into that of the input `x`, 0 in lanes without an
    /// image; writes the gradients of each channel's bias and weight to `sums`, interleaved, or none
    /// if it is empty.
    pub fn backward(&self, x: &[f32], grad: &mut [f32], sums: &mut [f32]) {
        let channels = self.plane.channels;
        self.check(x, grad);
        assert!(sums.is_empty() || sums.len() == 2 * channels, "channels");
        let mut parts = vec![[0.0; 2]; self.tasks() * channels];
        let out = &Shared::new(grad);
        parts.par_chunks_mut(channels).enumerate().for_each(|(task, sums)| {
            let task = &self.task(task, x);
            isa::dispatch(Backward { task, affine: &self.affine, out, sums });
        });
        for (c, sums) in sums.as_chunks_mut().0.iter_mut().enumerate() {
            let parts = parts[c..].iter().step_by(channels);
            let [bias, weight] =
                parts.fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
            *sums = [bias as f32, weight as f32];
        }
    }

    fn check(&self, x: &[f32], y: &[f32]) {
        let Self { plane, affine } = self;
        assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
        for parameter in [affine.weight, affine.bias] {
            assert!(parameter.is_empty() || parameter.len() == plane.channels, "channels");
        }
    }

    fn tasks(&self) -> usize {
        self.plane.lanes.blocks() * self.plane.pixels.div_ceil(PIXELS)
    }

    fn task<'a>(&self, task: usize, x: &'a [f32]) -> Task<'a> {
        let plane = self.plane;
        let each = plane.pixels.div_ceil(PIXELS);
        let (block, first) = (task / each, task % each * PIXELS);
        let count = PIXELS.min(plane.pixels - first);
        Task { plane, block, first, count, x: lanes::vectors(x) }
    }
}

/// The factor of channel `c`.
#[inline(always)]
fn weight(affine: &Affine, c: usize) -> f32 {
    affine.weight.get(c).copied().unwrap_or(1.0)
}

/// Some pixels of a block.
struct Task<'a> {
    plane: Plane,
    block: usize,
    first: usize,
    count: usize,
    x: &'a [Vector],
}

/// Of each pixel of a task.
struct Statistics {
    mean: [Vector; PIXELS],
    /// `1 / sqrt(var + eps)`.
    inverse: [Vector; PIXELS],
}

impl Task<'_> {
    /// Where its pixels of channel `c` begin, in vectors.
    #[inline(always)]
    fn start(&self, c: usize) -> usize {
        (self.block * self.plane.channels + c) * self.plane.pixels + self.first
    }

    #[inline(always)]
    fn x(&self, c: usize) -> &[Vector] {
        &self.x[self.start(c)..][..self.count]
    }

    /// Its pixels of channel `c` of an output.
    #[inline(always)]
    fn part<'a>(&self, c: usize, out: &Shared<'a>) -> &'a mut [f32] {
        // SAFETY: each pixel of each channel is in one task.
        unsafe { out.part(self.start(c) * LANES, self.count * LANES) }
    }

    /// The variance is taken about a first mean, and both are corrected by what that was off.
    #[inline(always)]
    fn statistics(&self, eps: f32) -> Statistics {
        let n = self.plane.channels as f32;
        let zero = [[0.0; LANES]; PIXELS];
        let (mut mean, mut rest, mut squares) = (zero, zero, zero);
        for c in 0..self.plane.channels {
            for (mean, x) in mean.iter_mut().zip(self.x(c)) {
                let (x, mut sum) = (*x, *mean);
                (0..LANES).for_each(|l| sum[l] += x[l]);
                *mean = sum;
            }
        }
        for mean in &mut mean {
            (0..LANES).for_each(|l| mean[l] /= n);
        }
        for c in 0..self.plane.channels {
            for (p, x) in self.x(c).iter().enumerate() {
                // Copies, which no write can change: vectors instead of one value after another.
                let (x, mean, mut off, mut square) = (*x, mean[p], rest[p], squares[p]);
                for l in 0..LANES {
                    let centred = x[l] - mean[l];
                    off[l] += centred;
                    square[l] += centred * centred;
                }
                (rest[p], squares[p]) = (off, square);
            }
        }
        let mut inverse = zero;
        for p in 0..PIXELS {
            for l in 0..LANES {
                let off = rest[p][l] / n;
                mean[p][l] += off;
                inverse[p][l] = 1.0 / (squares[p][l] / n - off * off + eps).sqrt();
            }
        }
        Statistics { mean, inverse }
    }
}

struct Forward<'a> {
    task: &'a Task<'a>,
    affine: &'a Affine<'a>,
    out: &'a Shared<'a>,
}

impl NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { task, affine, out } = self;
        let Statistics { mean, inverse } = task.statistics(affine.eps);
        for c in 0..task.plane.channels {
            let (scale, shift) = (weight(affine, c), affine.bias.get(c).copied().unwrap_or(0.0));
            let y = task.part(c, out);
            for (p, (y, x)) in lanes::vectors_mut(y).iter_mut().zip(task.x(c)).enumerate() {
                let (x, mean, inverse) = (*x, mean[p], inverse[p]);
                for l in 0..LANES {
                    y[l] = (x[l] - mean[l]) * inverse[l] * scale + shift;
                }
            }
            task.plane.lanes.clear_empty(task.block, y);
        }
    }
}

/// Turns the gradient of the output into
/// `(dz - mean(dz) - xhat * mean(dz * xhat)) / sqrt(var + eps)` with `dz = dy * weight`.
struct Backward<'a> {
    task: &'a Task<'a>,
    affine: &'a Affine<'a>,
    out: &'a Shared<'a>,
    /// Become the sums over the task of `dy` and `dy * xhat`, for each channel.
    sums: &'a mut [[f64; 2]],
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { task, affine, out, sums } = self;
        let Statistics { mean, inverse } = task.statistics(affine.eps);
        let (mut plain, mut scaled) = ([[0.0; LANES]; PIXELS], [[0.0; LANES]; PIXELS]);
        for (c, sums) in sums.iter_mut().enumerate() {
            let scale = weight(affine, c);
            let (mut bias, mut slope) = ([0.0; LANES], [0.0; LANES]);
            let dy = lanes::vectors(task.part(c, out));
            for (p, (g, x)) in dy.iter().zip(task.x(c)).enumerate() {
                let (x, g, mean, inverse) = (*x, *g, mean[p], inverse[p]);
                let (mut plain_sum, mut scaled_sum) = (plain[p], scaled[p]);
                for l in 0..LANES {
                    let normal = (x[l] - mean[l]) * inverse[l];
                    bias[l] += g[l];
                    slope[l] += g[l] * normal;
                    plain_sum[l] += g[l] * scale;
                    scaled_sum[l] += g[l] * scale * normal;
                }
                (plain[p], scaled[p]) = (plain_sum, scaled_sum);
            }
            let real = task.plane.lanes.real(task.block);
            *sums = [bias, slope].map(|s| s[..real].iter().map(|s| f64::from(*s)).sum());
        }
        let n = task.plane.channels as f32;
        for sum in plain.iter_mut().chain(&mut scaled) {
            (0..LANES).for_each(|l| sum[l] /= n);
        }
        for c in 0..task.plane.channels {
            let scale = weight(affine, c);
            let grad = task.part(c, out);
            for (p, (g, x)) in lanes::vectors_mut(grad).iter_mut().zip(task.x(c)).enumerate() {
                let (x, mut dx, mean, inverse) = (*x, *g, mean[p], inverse[p]);
                let (plain, scaled) = (plain[p], scaled[p]);
                for l in 0..LANES {
                    let normal = (x[l] - mean[l]) * inverse[l];
                    dx[l] = (dx[l] * scale - plain[l] - normal * scaled[l]) * inverse[l];
                }
                *g = dx;
            }
            task.plane.lanes.clear_empty(task.block, grad);
        }
    }
}
