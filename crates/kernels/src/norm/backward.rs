//! The backward pass through activation and normalisation.
#![allow(unsafe_code, reason = "a channel is strided, disjoint parts of one slice")]

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{Affine, PIECE, Plane};
use crate::activation::specialised_by_output;
use crate::shared::Shared;
use crate::{Activation, LANES, isa, lanes};

/// Values of sixteen images.
type Vector = [f32; LANES];

/// What the forward pass leaves for the backward pass.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// What was normalised.
    pub x: &'a [f32],
    /// Its statistics.
    pub stats: &'a [f32],
    /// What came out behind the activation: needed where something was added before that, else
    /// empty.
    pub y: &'a [f32],
    /// The activation behind it.
    pub activation: Option<Activation>,
}

/// What the backward pass writes.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Holds the gradient of the output, which becomes that before the activation; that is also the
    /// gradient of the summand.
    pub dy: &'a mut [f32],
    /// Becomes the gradient of the normalisation's input; if it is empty, `dy` does.
    pub dx: &'a mut [f32],
    /// Become the gradients of each channel's bias and weight, interleaved.
    pub sums: &'a mut [f32],
}

/// Writes all `gradients`. That of the input is
/// `weight / sqrt(var + eps) * (dz - mean(dz) - xhat * mean(dz * xhat))`, 0 in lanes without an
/// image, where `dz` is the gradient before the activation.
pub fn backward(plane: Plane, affine: Affine, saved: Saved, gradients: Gradients) {
    let Gradients { dy, dx, sums } = gradients;
    assert!(saved.x.len() == plane.all() && dy.len() == plane.all(), "sizes");
    assert!(dx.is_empty() || dx.len() == dy.len(), "input gradient");
    assert!(saved.y.is_empty() || saved.y.len() == dy.len(), "output");
    assert!(saved.activation.is_none_or(Activation::saves_output), "{:?}", saved.activation);
    assert_eq!(sums.len(), 2 * plane.channels, "channels");
    let dy = Shared::new(dy);
    let dx = (!dx.is_empty()).then(|| Shared::new(dx));
    sums.par_chunks_mut(2).enumerate().for_each(|(c, sums)| {
        let channel = &Channel::new(plane, affine, saved, c);
        [sums[0], sums[1]] = isa::dispatch(Sums { channel, dy: &dy });
        isa::dispatch(Inputs { channel, sums: [sums[0], sums[1]], dy: &dy, dx: dx.as_ref() });
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

/// What is behind a normalisation.
#[derive(Clone, Copy)]
enum End<'a> {
    Nothing,
    /// An activation whose output follows from the normalisation's input.
    Of(Activation),
    /// An activation, and its output.
    Saved(Activation, &'a [Vector]),
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

    /// Turns `dy` into the gradient before the activation, and sums it and its product with the
    /// centred input: f32 within some pixels, f64 above.
    #[inline(always)]
    fn plane_sums(&self, real: usize, x: &[Vector], dy: &mut [Vector], end: End) -> [f64; 2] {
        let mut total = [0.0; 2];
        for (piece, (dy, x)) in dy.chunks_mut(PIECE).zip(x.chunks(PIECE)).enumerate() {
            let (mut plain, mut scaled) = ([0.0; LANES], [0.0; LANES]);
            for (i, (g, x)) in dy.iter_mut().zip(x).enumerate() {
                // Copies, which no write can change: vectors instead of one value after another.
                let (x, dz) = (*x, self.before(end, piece * PIECE + i, x, g));
                for l in 0..LANES {
                    plain[l] += dz[l];
                    scaled[l] += dz[l] * (x[l] - self.mean);
                }
                *g = dz;
            }
            let sum = |s: &Vector| s[..real].iter().map(|s| f64::from(*s)).sum::<f64>();
            total = [total[0] + sum(&plain), total[1] + sum(&scaled)];
        }
        total
    }

    /// The gradient `g` of pixel `i` before the activation.
    #[inline(always)]
    fn before(&self, end: End, i: usize, x: &Vector, g: &Vector) -> Vector {
        let (x, mut dz) = (*x, *g);
        match end {
            End::Nothing => (),
            End::Of(activation) => {
                for l in 0..LANES {
                    let output = activation.of((x[l] - self.mean) * self.scale + self.bias);
                    dz[l] = activation.gradient(output, dz[l]);
                }
            }
            End::Saved(activation, y) => {
                let y = y[i];
                for l in 0..LANES {
                    dz[l] = activation.gradient(y[l], dz[l]);
                }
            }
        }
        dz
    }

    /// [`Self::plane_sums`] of a block.
    #[inline(always)]
    fn block_sums(&self, block: usize, dy: &mut [f32]) -> [f64; 2] {
        let start = self.plane.start(block, self.c);
        let (real, all) = (self.plane.lanes.real(block), start..start + dy.len());
        let (x, dy) = (lanes::vectors(&self.saved.x[all.clone()]), lanes::vectors_mut(dy));
        match (self.saved.activation, self.saved.y.get(all).map(lanes::vectors)) {
            (None, _) => self.plane_sums(real, x, dy, End::Nothing),
            (Some(activation), Some(y)) => specialised_by_output!(activation, a => {
                self.plane_sums(real, x, dy, End::Saved(a, y))
            }),
            (Some(activation), None) => specialised_by_output!(activation, a => {
                self.plane_sums(real, x, dy, End::Of(a))
            }),
        }
    }

    /// Writes the gradient of the input, from `dz` or in place.
    #[inline(always)]
    fn input(&self, block: usize, [plain, scaled]: [f32; 2], dz: Option<&[f32]>, dx: &mut [f32]) {
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
struct Sums<'a> {
    channel: &'a Channel<'a>,
    dy: &'a Shared<'a>,
}

impl NullaryFnOnce for Sums<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn call(self) -> [f32; 2] {
        let (channel, plane) = (self.channel, self.channel.plane);
        let mut total = [0.0; 2];
        for block in 0..plane.lanes.blocks() {
            // SAFETY: each (block, channel) is one part, of this task alone.
            let dy = unsafe { self.dy.part(plane.start(block, channel.c), plane.len()) };
            let sums = channel.block_sums(block, dy);
            total = [total[0] + sums[0], total[1] + sums[1]];
        }
        [total[0] as f32, (total[1] * f64::from(channel.inverse)) as f32]
    }
}

/// Writes the gradient of one channel's input over that of the output, or to `dx`.
struct Inputs<'a> {
    channel: &'a Channel<'a>,
    sums: [f32; 2],
    dy: &'a Shared<'a>,
    dx: Option<&'a Shared<'a>>,
}

impl NullaryFnOnce for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (channel, plane) = (self.channel, self.channel.plane);
        for block in 0..plane.lanes.blocks() {
            let (start, len) = (plane.start(block, channel.c), plane.len());
            // SAFETY: each (block, channel) is one part, of this task alone.
            let dz = unsafe { self.dy.part(start, len) };
            match self.dx {
                None => channel.input(block, self.sums, None, dz),
                // SAFETY: as above.
                Some(dx) => {
                    channel.input(block, self.sums, Some(dz), unsafe { dx.part(start, len) });
                }
            }
        }
    }
}
