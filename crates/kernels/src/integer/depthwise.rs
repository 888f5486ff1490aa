//! Convolution of bytes, each channel by itself.

use super::conv::Input;
use super::ending::{BYTES, Rounder};
use super::planes::{Each, Plane, Planes, Read, bytes};
use super::{Ending, Rounding, Word, quads};
use crate::LANES;
use crate::Size;
use crate::conv::depthwise::Depthwise as Sizes;

/// The weights of a convolution of each channel by itself.
#[derive(Debug, Clone)]
pub struct Depthwise {
    channels: usize,
    planes: Planes,
    /// By quad of channels, then by tap, for each lane; zeros past the last channel.
    weights: Vec<[i32; BYTES]>,
    /// By quad of channels, the sum of each one's weights, for each lane.
    totals: Vec<[i32; BYTES]>,
    taps: usize,
}

impl Depthwise {
    /// Arranges `weights`, `channels x kernel`, for one image in `tiles` or for images that are lanes.
    pub fn new(sizes: &Sizes, weights: &[i8], tiles: bool) -> Self {
        assert!(!weights.is_empty() && weights.len() == sizes.weight_len(), "weights");
        let taps = sizes.window.taps();
        let of = |quad: usize, tap: usize| -> [i32; BYTES] {
            std::array::from_fn(|i| {
                let weight = weights.get((quad * 4 + i % 4) * taps + tap);
                weight.map_or(0, |weight| i32::from(*weight))
            })
        };
        let quads = 0..quads(sizes.channels);
        let total = |quad| {
            (0..taps).fold([0; BYTES], |sum, tap| {
                let own = of(quad, tap);
                std::array::from_fn(|i| sum[i] + own[i])
            })
        };
        let (size, output) =
            (Size { h: sizes.h, w: sizes.w }, Size { h: sizes.oh(), w: sizes.ow() });
        Self {
            channels: sizes.channels,
            planes: Planes::new(sizes.window, sizes.channels, (size, output), tiles),
            totals: quads.clone().map(total).collect(),
            weights: quads.flat_map(|quad| (0..taps).map(move |tap| of(quad, tap))).collect(),
            taps,
        }
    }

    /// `y = end(conv(x))`, rounded as `to` has it.
    pub fn forward(&self, x: Input, end: &Ending, (y, to): (&mut [Word], Rounding)) {
        assert!(end.factors.len() == self.channels && end.bias.len() == self.channels, "ending");
        assert!(end.add.is_none_or(|add| add.words.len() == y.len()), "summand");
        let vectors = y.len() / LANES / (x.layout.blocks() * quads(self.channels));
        let zero = i32::from(x.rounding.zero);
        let each = Sums { own: self, end, zero, to: Rounder::new(to), vectors };
        self.planes.run(x, x.rounding.zero, &each, y);
    }
}

struct Sums<'a> {
    own: &'a Depthwise,
    end: &'a Ending<'a>,
    zero: i32,
    to: Rounder,
    /// Vectors of a plane of the output.
    vectors: usize,
}

impl Each for Sums<'_> {
    #[inline(always)]
    fn bytes(&self, plane: Plane, window: usize, read: Read) -> [u8; BYTES] {
        let Self { own, end, zero, to, vectors } = self;
        let weights = &own.weights[plane.quad * own.taps..][..own.taps];
        let totals = &own.totals[plane.quad];
        let mut sums = [0; BYTES];
        for i in 0..BYTES {
            sums[i] = -zero * totals[i];
        }
        for (tap, weights) in weights.iter().enumerate() {
            let x = read.tap(tap);
            for i in 0..BYTES {
                sums[i] += i32::from(x[i]) * weights[i];
            }
        }
        let at = (plane.index * vectors + window) * LANES;
        end.bytes(plane.quad, &sums, end.add.map(|add| bytes(&add.words[at..])), *to)
    }
}
