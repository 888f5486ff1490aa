//! The way back through activation and normalisation.
#![allow(unsafe_code, reason = "a channel is strided, disjoint parts of one slice")]

use rayon::prelude::*;

use super::{Affine, PIECE, Plane};
use crate::shared::Shared;
use crate::{Kernel, LANES, lanes, simd};

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
