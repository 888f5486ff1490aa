//! Convolution of bytes, each channel by itself.

#[cfg(target_arch = "x86_64")]
mod vnni;

use super::conv::Input;
use super::ending::{BYTES, Rounder};
use super::planes::{Each, Plane, Planes, Read, bytes};
use super::{Ending, Instructions, Rounding, Word, quads};
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
    instructions: Instructions,
    /// The weights for AVX-512 VNNI, where that multiplies.
    #[cfg(target_arch = "x86_64")]
    vnni: Option<vnni::Weights>,
}

impl Depthwise {
    /// Arranges `weights`, `channels x kernel`, for one image in `tiles` or for images that are lanes.
    ///
    /// # Panics
    /// If there are other weights, or the machine lacks the instructions.
    pub fn new(sizes: &Sizes, weights: &[i8], tiles: bool, instructions: Instructions) -> Self {
        assert!(Instructions::available().contains(&instructions), "instructions of this machine");
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
        #[cfg(target_arch = "x86_64")]
        let vnni = matches!(instructions, Instructions::Amx | Instructions::Vnni512).then(|| {
            let weight = |channel, tap| weights.get(channel * taps + tap).copied().unwrap_or(0);
            vnni::Weights::new(quads.len(), taps, weight)
        });
        let (size, output) =
            (Size { h: sizes.h, w: sizes.w }, Size { h: sizes.oh(), w: sizes.ow() });
        Self {
            channels: sizes.channels,
            planes: Planes::new(sizes.window, sizes.channels, (size, output), tiles),
            totals: quads.clone().map(total).collect(),
            weights: quads.flat_map(|quad| (0..taps).map(move |tap| of(quad, tap))).collect(),
            taps,
            instructions,
            #[cfg(target_arch = "x86_64")]
            vnni,
        }
    }

    /// What multiplies them.
    pub fn instructions(&self) -> Instructions {
        self.instructions.of_vectors()
    }

    /// `y = end(conv(x))`, rounded as `to` has it.
    pub fn forward(&self, x: Input, end: &Ending, (y, to): (&mut [Word], Rounding)) {
        assert!(end.factors.len() == self.channels && end.bias.len() == self.channels, "ending");
        assert!(end.add.is_none_or(|add| add.words.len() == y.len()), "summand");
        let vectors = y.len() / LANES / (x.layout.blocks() * quads(self.channels));
        let zero = i32::from(x.rounding.zero);
        let (to, border) = (Rounder::new(to), x.rounding.zero);
        let sums = Sums { own: self, end, zero, to, bounded: to.after(end.activation), vectors };
        #[cfg(target_arch = "x86_64")]
        if let Some(weights) = &self.vnni {
            let four = |all: &[f32], quad: usize| -> [f32; 4] {
                std::array::from_fn(|i| all.get(4 * quad + i).copied().unwrap_or(0.0))
            };
            let both = |quad| [four(end.factors, quad), four(end.bias, quad)];
            let endings = (0..quads(self.channels)).map(both).collect();
            let each = vnni::VnniSums { sums, weights, endings };
            return self.planes.run(x, border, &each, y);
        }
        self.planes.run(x, border, &sums, y);
    }
}

struct Sums<'a> {
    own: &'a Depthwise,
    end: &'a Ending<'a>,
    zero: i32,
    to: Rounder,
    /// The same after the activation, where bounds do that.
    bounded: Option<Rounder>,
    /// Vectors of a plane of the output.
    vectors: usize,
}

impl Sums<'_> {
    /// The word at which a window's result begins.
    fn at(&self, plane: Plane, window: usize) -> usize {
        (plane.index * self.vectors + window) * LANES
    }

    /// The bytes of a window's sums.
    #[inline(always)]
    fn finished(&self, plane: Plane, window: usize, sums: &[i32; BYTES]) -> [u8; BYTES] {
        let at = self.at(plane, window);
        let add = self.end.add.map(|add| bytes(&add.words[at..]));
        self.end.bytes(plane.quad, sums, add, self.to)
    }
}

impl Each for Sums<'_> {
    #[inline(always)]
    fn bytes(&self, plane: Plane, window: usize, read: Read) -> [u8; BYTES] {
        let Self { own, zero, .. } = self;
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
        self.finished(plane, window, &sums)
    }
}
