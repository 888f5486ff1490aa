//! Layer normalisation of one image.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::image::clear_around;
use super::{Image, Output};
use crate::norm::Affine;
use crate::{Buffer, isa};

/// Pixels whose statistics are one task.
const PIECE: usize = 256;

/// `y = (x - mean) / sqrt(var + eps) * weight + bias` with mean and biased variance over the
/// channels of each pixel; weight or bias may be empty for none.
pub fn layer_norm(affine: &Affine, x: Image, y: Output) {
    x.check();
    let map = y.map;
    assert_eq!(x.map, map, "maps");
    for parameter in [affine.weight, affine.bias] {
        assert!(parameter.is_empty() || parameter.len() == map.channels, "channels");
    }
    // Zeros between rows are taken as pixels, and cleared at the end.
    let pixels = map.h * map.pitch();
    let (mut mean, mut inverse) = (Buffer::zeros(pixels), Buffer::zeros(pixels));
    let piece = |i: usize, mean: &mut [f32], inverse: &mut [f32]| {
        isa::dispatch(Statistics {
            x,
            first: map.lead() + i * PIECE,
            eps: affine.eps,
            mean,
            inverse,
        });
    };
    if y.tasks <= 1 {
        let pieces = mean.chunks_mut(PIECE).zip(inverse.chunks_mut(PIECE)).enumerate();
        pieces.for_each(|(i, (mean, inverse))| piece(i, mean, inverse));
    } else {
        let pieces = mean.par_chunks_mut(PIECE).zip(inverse.par_chunks_mut(PIECE)).enumerate();
        pieces.for_each(|(i, (mean, inverse))| piece(i, mean, inverse));
    }
    y.each_channel(|c, y| {
        let scale = affine.weight.get(c).copied().unwrap_or(1.0);
        let shift = affine.bias.get(c).copied().unwrap_or(0.0);
        let x = &x.channel(c)[map.lead()..];
        isa::dispatch(Channel {
            x,
            mean: &mean,
            inverse: &inverse,
            scale,
            shift,
            y: &mut y[map.lead()..],
        });
        clear_around(map, y);
    });
}

/// Mean and `1 / sqrt(var + eps)` of some pixels from `first` of each channel on.
struct Statistics<'a> {
    x: Image<'a>,
    first: usize,
    eps: f32,
    /// Holds zeros.
    mean: &'a mut [f32],
    /// Holds zeros.
    inverse: &'a mut [f32],
}

impl NullaryFnOnce for Statistics<'_> {
    type Output = ();

    /// The variance is taken about a first mean, and both are corrected by what that was off.
    #[inline(always)]
    fn call(self) {
        let Self { x, first, eps, mean, inverse } = self;
        let (n, channels) = (x.map.channels as f32, 0..x.map.channels);
        let mut off = [0.0; PIECE];
        for c in channels.clone() {
            let x = &x.channel(c)[first..][..mean.len()];
            mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += x);
        }
        for mean in &mut *mean {
            *mean /= n;
        }
        for c in channels {
            let x = &x.channel(c)[first..][..mean.len()];
            let sums = inverse.iter_mut().zip(&mut off);
            for ((x, mean), (squares, off)) in x.iter().zip(&*mean).zip(sums) {
                let centred = x - mean;
                *off += centred;
                *squares += centred * centred;
            }
        }
        for ((mean, inverse), off) in mean.iter_mut().zip(inverse).zip(off) {
            let off = off / n;
            *mean += off;
            *inverse = 1.0 / (*inverse / n - off * off + eps).sqrt();
        }
    }
}

/// Normalises the pixels of a channel.
struct Channel<'a> {
    x: &'a [f32],
    mean: &'a [f32],
    inverse: &'a [f32],
    scale: f32,
    shift: f32,
    y: &'a mut [f32],
}

impl NullaryFnOnce for Channel<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (scale, shift) = (self.scale, self.shift);
        let statistics = self.mean.iter().zip(self.inverse);
        for ((y, x), (mean, inverse)) in self.y.iter_mut().zip(self.x).zip(statistics) {
            *y = (x - mean) * inverse * scale + shift;
        }
    }
}
