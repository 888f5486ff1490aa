//! Statistics and normalisation.
#![allow(unsafe_code, reason = "a channel is strided, disjoint parts of one slice")]

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{Norm, Plane};
use crate::activation::specialised_by_output;
use crate::shared::Shared;
use crate::{Activation, LANES, isa, lanes};

impl Norm<'_> {
    /// `y = tail((x - mean) / sqrt(var + eps) * weight + bias)` with the batch's statistics, written
    /// to `stats`: mean and biased variance of each channel, interleaved.
    ///
    /// Lanes without an image come out 0: they have no part in the statistics, so nothing else
    /// would keep them from growing layer by layer.
    pub fn forward(&self, x: &[f32], stats: &mut [f32], y: &mut [f32]) {
        self.check(x, stats, y);
        let out = &Shared::new(y);
        stats.par_chunks_mut(2).enumerate().for_each(|(c, stats)| {
            [stats[0], stats[1]] = isa::dispatch(Statistics { plane: self.plane, c, x });
            isa::dispatch(OneChannel { norm: self, c, stats, x, out });
        });
    }

    /// As [`Norm::forward`] with given statistics.
    pub fn apply(&self, x: &[f32], stats: &[f32], y: &mut [f32]) {
        self.check(x, stats, y);
        let out = &Shared::new(y);
        stats.par_chunks(2).enumerate().for_each(|(c, stats)| {
            isa::dispatch(OneChannel { norm: self, c, stats, x, out });
        });
    }

    fn check(&self, x: &[f32], stats: &[f32], y: &[f32]) {
        let Self { plane, tail, .. } = self;
        assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
        assert!(tail.add.is_empty() || tail.add.len() == x.len(), "summand");
        assert!(tail.activation.is_none_or(Activation::saves_output), "{:?}", tail.activation);
        assert_eq!(stats.len(), 2 * plane.channels, "channels");
    }
}

/// Normalises a channel.
struct OneChannel<'a> {
    norm: &'a Norm<'a>,
    c: usize,
    /// Mean and variance.
    stats: &'a [f32],
    x: &'a [f32],
    out: &'a Shared<'a>,
}

impl NullaryFnOnce for OneChannel<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Norm { plane, affine, tail } = self.norm;
        let scale = affine.weight[self.c] / (self.stats[1] + affine.eps).sqrt();
        let line = Line { mean: self.stats[0], scale, bias: affine.bias[self.c] };
        for block in 0..plane.lanes.blocks() {
            let (start, len) = (plane.start(block, self.c), plane.len());
            // SAFETY: each (block, channel) is one part, of this channel's task alone.
            let y = unsafe { self.out.part(start, len) };
            let (x, add) = (&self.x[start..start + len], tail.add.get(start..start + len));
            match tail.activation {
                None => line.write(x, add, None, y),
                Some(activation) => {
                    specialised_by_output!(activation, a => line.write(x, add, Some(a), y));
                }
            }
            plane.lanes.clear_empty(block, y);
        }
    }
}

/// What is done to each value of a channel.
struct Line {
    mean: f32,
    scale: f32,
    bias: f32,
}

impl Line {
    /// Not with closures for what follows: those of some length would be compiled by themselves.
    #[inline(always)]
    fn write(&self, x: &[f32], add: Option<&[f32]>, end: Option<Activation>, y: &mut [f32]) {
        match add {
            None => {
                for (y, x) in y.iter_mut().zip(x) {
                    *y = finish(end, (x - self.mean) * self.scale + self.bias);
                }
            }
            Some(add) => {
                for ((y, x), add) in y.iter_mut().zip(x).zip(add) {
                    *y = finish(end, (x - self.mean) * self.scale + self.bias + add);
                }
            }
        }
    }
}

#[inline(always)]
fn finish(activation: Option<Activation>, v: f32) -> f32 {
    match activation {
        None => v,
        Some(activation) => activation.of(v),
    }
}

/// Mean and biased variance of channel `c`.
struct Statistics<'a> {
    plane: Plane,
    c: usize,
    x: &'a [f32],
}

impl NullaryFnOnce for Statistics<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn call(self) -> [f32; 2] {
        let (plane, x) = (self.plane, lanes::vectors(self.x));
        let at = |block: usize| plane.start(block, self.c) / LANES;
        let [sum] = plane.sum(|block, p, s: &mut [[f32; LANES]; 1]| {
            let x = &x[at(block) + p];
            (0..LANES).for_each(|l| s[0][l] += x[l]);
        });
        let mean = (sum / plane.count()) as f32;
        let [squares] = plane.sum(|block, p, s: &mut [[f32; LANES]; 1]| {
            let x = &x[at(block) + p];
            (0..LANES).for_each(|l| s[0][l] += (x[l] - mean) * (x[l] - mean));
        });
        [mean, (squares / plane.count()) as f32]
    }
}
