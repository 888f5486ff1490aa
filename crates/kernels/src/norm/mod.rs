//! Batch normalisation (Ioffe and Szegedy 2015) over all pixels of all real images of a channel,
//! with the sum and the activation that follow it.
//!
//! A task is one channel: what the statistics have read is still near when it is normalised.

mod backward;
mod forward;
pub mod layer;

pub use backward::{Gradients, Saved, backward};

use crate::{Activation, LANES, Lanes};

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
    pub(crate) fn len(&self) -> usize {
        self.pixels * LANES
    }

    /// Where (block, channel) starts.
    pub(crate) fn start(&self, block: usize, channel: usize) -> usize {
        (block * self.channels + channel) * self.len()
    }

    /// Values over which a channel is averaged.
    fn count(&self) -> f64 {
        (self.lanes.images() * self.pixels) as f64
    }

    /// Values of the batch.
    pub(crate) fn all(&self) -> usize {
        self.lanes.blocks() * self.channels * self.len()
    }

    /// The sum over the real images of `channel` of what `f` adds for (block, pixel): f32 within
    /// some pixels, f64 above.
    #[inline(always)]
    pub(crate) fn sum<const K: usize>(
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
    /// The activation behind that, one that [saves its output](Activation::saves_output).
    pub activation: Option<Activation>,
}

/// A normalisation with what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// Sizes.
    pub plane: Plane,
    /// Scale and shift.
    pub affine: Affine<'a>,
    /// What follows.
    pub tail: Tail<'a>,
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
