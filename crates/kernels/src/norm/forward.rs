//! Statistics and normalisation.
#![allow(unsafe_code, reason = "a channel is strided, disjoint parts of one slice")]

use rayon::prelude::*;

use super::{Affine, Plane, Tail};
use crate::shared::Shared;
use crate::{Kernel, LANES, lanes, simd};

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
