//! Batch normalisation (Ioffe and Szegedy 2015) over all pixels of all real images of a channel,
//! with the sum and the activation that follow it.
//!
//! A task is one channel: what the statistics have read is still near when it is normalised.
#![allow(unsafe_code, reason = "a channel is strided, disjoint parts of one slice")]

use rayon::prelude::*;

use crate::shared::Shared;
use crate::{Kernel, LANES, Lanes, lanes, simd};

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
        (stats[0], stats[1]) = simd::<Statistics, _>((plane, c, x));
        simd::<OneChannel, _>((plane, affine, tail, (c, &*stats, x), &out));
    });
}

/// As [`forward`] with given statistics, interleaved.
pub fn apply(
    plane: Plane,
    affine: Affine,
    tail: Tail,
    (stats, x): (&[f32], &[f32]),
    y: &mut [f32],
) {
    assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
    assert!(tail.add.is_empty() || tail.add.len() == x.len(), "summand");
    assert_eq!(stats.len(), 2 * plane.channels, "channels");
    let out = Shared::new(y);
    stats.par_chunks(2).enumerate().for_each(|(c, stats)| {
        simd::<OneChannel, _>((plane, affine, tail, (c, stats, x), &out));
    });
}

/// Normalises a channel.
struct OneChannel;

impl Kernel<(Plane, Affine<'_>, Tail<'_>, (usize, &[f32], &[f32]), &Shared<'_>)> for OneChannel {
    type Out = ();

    #[inline(always)]
    fn run(
        (plane, affine, tail, (c, stats, x), out): (
            Plane,
            Affine,
            Tail,
            (usize, &[f32], &[f32]),
            &Shared,
        ),
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
struct Statistics;

impl Kernel<(Plane, usize, &[f32])> for Statistics {
    type Out = (f32, f32);

    #[inline(always)]
    fn run((plane, c, x): (Plane, usize, &[f32])) -> (f32, f32) {
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
        let channel = Channel::new(plane, affine, saved, c);
        (sums[0], sums[1]) = simd::<Sums, _>((&channel, &dy));
        simd::<Inputs, _>((&channel, (sums[0], sums[1]), &dy, dx.as_ref()));
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

    /// Zeros the gradients of what `output` says the activation cut off, and sums the rest: f32
    /// within some pixels, f64 above.
    #[inline(always)]
    fn plane_sums(
        &self,
        real: usize,
        x: &[[f32; LANES]],
        dy: &mut [[f32; LANES]],
        output: impl Fn(usize, &[f32; LANES]) -> [f32; LANES],
    ) -> [f64; 2] {
        let mut total = [0.0; 2];
        for (piece, (dy, x)) in dy.chunks_mut(PIECE).zip(x.chunks(PIECE)).enumerate() {
            let (mut plain, mut scaled) = ([0.0; LANES], [0.0; LANES]);
            for (i, (g, x)) in dy.iter_mut().zip(x).enumerate() {
                let z = output(piece * PIECE + i, x);
                for l in 0..LANES {
                    g[l] = if z[l] <= 0.0 { 0.0 } else { g[l] };
                    plain[l] += g[l];
                    scaled[l] += g[l] * (x[l] - self.mean);
                }
            }
            let sum = |s: &[f32; LANES]| s[..real].iter().map(|s| f64::from(*s)).sum::<f64>();
            total = [total[0] + sum(&plain), total[1] + sum(&scaled)];
        }
        total
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

/// Takes the gradient of one channel back through the activation, and sums it and its product
/// with `xhat`.
struct Sums;

impl Kernel<(&Channel<'_>, &Shared<'_>)> for Sums {
    type Out = (f32, f32);

    #[inline(always)]
    fn run((this, dy): (&Channel<'_>, &Shared<'_>)) -> (f32, f32) {
        let mut total = [0.0; 2];
        for block in 0..this.plane.lanes.blocks() {
            let (start, len) = (this.plane.start(block, this.c), this.plane.len());
            // SAFETY: each (block, channel) is one part, of this task alone.
            let dy = lanes::vectors_mut(unsafe { dy.part(start, len) });
            let x = lanes::vectors(&this.saved.x[start..start + len]);
            let real = this.plane.lanes.real(block);
            let sums = match this.saved.y.get(start..start + len).map(lanes::vectors) {
                _ if !this.saved.relu => this.plane_sums(real, x, dy, |_, _| [1.0; LANES]),
                Some(y) => this.plane_sums(real, x, dy, |i, _| y[i]),
                None => this.plane_sums(real, x, dy, |_, x| {
                    x.map(|x| (x - this.mean) * this.scale + this.bias)
                }),
            };
            total = [total[0] + sums[0], total[1] + sums[1]];
        }
        (total[0] as f32, (total[1] * f64::from(this.inverse)) as f32)
    }
}

/// Writes the gradient of one channel's input over that of the output, or to `dx`.
struct Inputs;

impl Kernel<(&Channel<'_>, (f32, f32), &Shared<'_>, Option<&Shared<'_>>)> for Inputs {
    type Out = ();

    #[inline(always)]
    fn run((this, sums, dy, dx): (&Channel<'_>, (f32, f32), &Shared<'_>, Option<&Shared<'_>>)) {
        for block in 0..this.plane.lanes.blocks() {
            let (start, len) = (this.plane.start(block, this.c), this.plane.len());
            // SAFETY: each (block, channel) is one part, of this task alone.
            let dz = unsafe { dy.part(start, len) };
            match dx {
                None => this.input(block, sums, None, dz),
                // SAFETY: as above.
                Some(dx) => this.input(block, sums, Some(dz), unsafe { dx.part(start, len) }),
            }
        }
    }
}
