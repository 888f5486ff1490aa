//! Batch normalisation (Ioffe and Szegedy 2015) over all pixels of all real images of a channel,
//! with the sum and the activation that follow it.
//!
//! A task is one channel: what the statistics have read is still near when it is normalised.
#![allow(unsafe_code, reason = "a channel is strided, disjoint parts of one slice")]

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

    /// The sum over the real images of `channel` of what `f` adds for (block, pixel): f32 within
    /// some pixels, f64 above.
    #[inline(always)]
    fn sum<const K: usize>(
        &self,
        mut f: impl FnMut(usize, usize, &mut [[f32; LANES]; K]),
    ) -> [f64; K] {
        let mut total = [0.0; K];
        for block in 0..self.lanes.blocks() {
            let real = self.lanes.real(block);
            for piece in (0..self.pixels).step_by(PIECE) {
                let mut sums = [[0.0; LANES]; K];
                for p in piece..(piece + PIECE).min(self.pixels) {
                    f(block, p, &mut sums);
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

/// Scale and shift of each channel.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Scale.
    pub weight: &'a [f32],
    /// Shift.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

/// What follows the normalisation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tail<'a> {
    /// Added to it, as many values as it has; empty for none.
    pub add: &'a [f32],
    /// Whether what is negative then becomes 0.
    pub relu: bool,
}

/// `y = tail((x - mean) / sqrt(var + eps) * weight + bias)` with the batch's statistics, written to
/// `stats`: mean and biased variance of each channel, interleaved.
///
/// Lanes without an image come out 0: they have no part in the statistics, so nothing else would
/// keep them from growing layer by layer.
pub fn forward(
    plane: Plane,
    affine: Affine,
    tail: Tail,
    x: &[f32],
    (stats, y): (&mut [f32], &mut [f32]),
) {
    assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
    assert!(tail.add.is_empty() || tail.add.len() == x.len(), "summand");
    assert_eq!(stats.len(), 2 * plane.channels, "channels");
    let out = Shared::new(y);
    stats.par_chunks_mut(2).enumerate().for_each(|(c, stats)| {
        simd(|| {
            (stats[0], stats[1]) = statistics(plane, c, x);
            one_channel(plane, affine, tail, (c, stats, x), &out);
        });
    });
}

/// As [`forward`] with given statistics, interleaved.
pub fn apply(plane: Plane, affine: Affine, tail: Tail, (stats, x): (&[f32], &[f32]), y: &mut [f32]) {
    assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
    assert!(tail.add.is_empty() || tail.add.len() == x.len(), "summand");
    assert_eq!(stats.len(), 2 * plane.channels, "channels");
    let out = Shared::new(y);
    stats.par_chunks(2).enumerate().for_each(|(c, stats)| {
        simd(|| one_channel(plane, affine, tail, (c, stats, x), &out));
    });
}

#[inline(always)]
fn one_channel(
    plane: Plane,
    affine: Affine,
    tail: Tail,
    (c, stats, x): (usize, &[f32], &[f32]),
    out: &Shared,
) {
    let scale = affine.weight[c] / (stats[1] + affine.eps).sqrt();
    let constants = (stats[0], scale, affine.bias[c]);
    for block in 0..plane.lanes.blocks() {
        let (start, len) = (plane.start(block, c), plane.len());
        // SAFETY: each (block, channel) is one part, of this channel's task alone.
        let y = unsafe { out.part(start, len) };
        let (x, add) = (&x[start..start + len], tail.add.get(start..start + len));
        match (add, tail.relu) {
            (None, false) => normalise(constants, x, y, |v, _| v),
            (None, true) => normalise(constants, x, y, |v, _| relu(v)),
            (Some(add), false) => normalise(constants, x, y, |v, i| v + add[i]),
            (Some(add), true) => normalise(constants, x, y, |v, i| relu(v + add[i])),
        }
        plane.lanes.clear_empty(block, y);
    }
}

#[inline(always)]
fn normalise(
    (mean, scale, bias): (f32, f32, f32),
    x: &[f32],
    y: &mut [f32],
    tail: impl Fn(f32, usize) -> f32,
) {
    for (i, (y, x)) in y.iter_mut().zip(x).enumerate() {
        *y = tail((x - mean) * scale + bias, i);
    }
}

/// NaN stays NaN, as in `PyTorch`.
#[inline(always)]
fn relu(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

/// Mean and biased variance of channel `c`.
#[inline(always)]
fn statistics(plane: Plane, c: usize, x: &[f32]) -> (f32, f32) {
    let x = lanes::vectors(x);
    let at = |block: usize| plane.start(block, c) / LANES;
    let [sum] = plane.sum(|block, p, s: &mut [[f32; LANES]; 1]| {
        let x = &x[at(block) + p];
        (0..LANES).for_each(|l| s[0][l] += x[l]);
    });
    let mean = (sum / plane.count()) as f32;
    let [squares] = plane.sum(|block, p, s: &mut [[f32; LANES]; 1]| {
        let x = &x[at(block) + p];
        (0..LANES).for_each(|l| s[0][l] += (x[l] - mean) * (x[l] - mean));
    });
    (mean, (squares / plane.count()) as f32)
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

/// What the backward pass looks back at.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// What was normalised.
    pub x: &'a [f32],
    /// Its statistics.
    pub stats: &'a [f32],
    /// What came out behind the activation: needed where something was added before that, else
    /// empty.
    pub y: &'a [f32],
    /// Whether the activation was there.
    pub relu: bool,
}

/// Over `dy` goes the gradient before the activation, which is also that of the summand; to `dx`
/// that of the normalisation's input, or over `dy` if `dx` is empty:
/// `weight / sqrt(var + eps) * (dz - mean(dz) - xhat * mean(dz * xhat))`, 0 in lanes without an
/// image. `sums[2 * c]` and `sums[2 * c + 1]` become the gradients of bias and weight.
pub fn backward(
    plane: Plane,
    affine: Affine,
    saved: Saved,
    (dy, dx): (&mut [f32], &mut [f32]),
    sums: &mut [f32],
) {
    assert!(saved.x.len() == plane.all() && dy.len() == plane.all(), "sizes");
    assert!(dx.is_empty() || dx.len() == dy.len(), "input gradient");
    assert!(saved.y.is_empty() || saved.y.len() == dy.len(), "output");
    assert_eq!(sums.len(), 2 * plane.channels, "channels");
    let (dy, dx) = (Shared::new(dy), (!dx.is_empty()).then(|| Shared::new(dx)));
    sums.par_chunks_mut(2).enumerate().for_each(|(c, sums)| {
        simd(|| {
            let channel = Channel::new(plane, affine, saved, c);
            (sums[0], sums[1]) = channel.sums(&dy);
            for block in 0..plane.lanes.blocks() {
                let (start, len) = (plane.start(block, c), plane.len());
                // SAFETY: each (block, channel) is one part, of this task alone.
                let dz = unsafe { dy.part(start, len) };
                match &dx {
                    None => channel.input(block, (sums[0], sums[1]), None, dz),
                    Some(dx) => {
                        // SAFETY: as above.
                        let dx = unsafe { dx.part(start, len) };
                        channel.input(block, (sums[0], sums[1]), Some(dz), dx);
                    }
                }
            }
        });
    });
}

/// The backward pass of one channel.
struct Channel<'a> {
    plane: Plane,
    saved: Saved<'a>,
    c: usize,
    mean: f32,
    /// `1 / sqrt(var + eps)`.
    inverse: f32,
    /// `weight / sqrt(var + eps)`, computed as the forward pass does.
    scale: f32,
    bias: f32,
}

impl<'a> Channel<'a> {
    #[inline(always)]
    fn new(plane: Plane, affine: Affine, saved: Saved<'a>, c: usize) -> Self {
        let root = (saved.stats[2 * c + 1] + affine.eps).sqrt();
        Self {
            plane,
            saved,
            c,
            mean: saved.stats[2 * c],
            inverse: 1.0 / root,
            scale: affine.weight[c] / root,
            bias: affine.bias[c],
        }
    }

    /// Takes the gradient back through the activation, and sums it and its product with `xhat`.
    #[inline(always)]
    fn sums(&self, dy: &Shared) -> (f32, f32) {
        let (x, y) = (lanes::vectors(self.saved.x), lanes::vectors(self.saved.y));
        let [plain, scaled] = self.plane.sum(|block, p, s: &mut [[f32; LANES]; 2]| {
            let at = self.plane.start(block, self.c) + p * LANES;
            // SAFETY: each pixel of this channel is visited once, by this task alone.
            let g = &mut lanes::vectors_mut(unsafe { dy.part(at, LANES) })[0];
            let x = &x[at / LANES];
            if self.saved.relu {
                for l in 0..LANES {
                    let z = if y.is_empty() {
                        (x[l] - self.mean) * self.scale + self.bias
                    } else {
                        y[at / LANES][l]
                    };
                    g[l] = if z <= 0.0 { 0.0 } else { g[l] };
                }
            }
            for l in 0..LANES {
                s[0][l] += g[l];
                s[1][l] += g[l] * (x[l] - self.mean);
            }
        });
        (plain as f32, (scaled * f64::from(self.inverse)) as f32)
    }

    /// Writes the gradient of the input, from `dz` or in place.
    #[inline(always)]
    fn input(&self, block: usize, (plain, scaled): (f32, f32), dz: Option<&[f32]>, dx: &mut [f32]) {
        let mean = (f64::from(plain) / self.plane.count()) as f32;
        let slope = (f64::from(scaled) / self.plane.count()) as f32 * self.inverse;
        let x = &self.saved.x[self.plane.start(block, self.c)..][..dx.len()];
        let one = |g: f32, x: f32| (g - mean - (x - self.mean) * slope) * self.scale;
        match dz {
            None => dx.iter_mut().zip(x).for_each(|(g, x)| *g = one(*g, *x)),
            Some(dz) => {
                let from = dz.iter().zip(x);
                dx.iter_mut().zip(from).for_each(|(to, (g, x))| *to = one(*g, *x));
            }
        }
        self.plane.lanes.clear_empty(block, dx);
    }
}
