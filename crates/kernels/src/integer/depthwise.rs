//! Convolution of bytes, each channel by itself.

use rayon::prelude::*;

use super::{Ending, Rounding, Word, quads};
use crate::conv::depthwise::Depthwise as Sizes;
use crate::{Kernel, LANES, Size, simd};

/// The weights of a convolution of each channel by itself.
#[derive(Debug, Clone)]
pub struct Depthwise {
    sizes: Sizes,
    /// By quad of channels, then by tap; zeros behind the last channel.
    weights: Vec<[i32; 4]>,
}

impl Depthwise {
    /// Arranges `weights`, `channels x kernel`.
    pub fn new(sizes: &Sizes, weights: &[i8]) -> Self {
        assert!(!weights.is_empty() && weights.len() == sizes.weight_len(), "weights");
        let taps = sizes.window.taps();
        let of = |quad: usize, tap: usize| {
            std::array::from_fn(|r| {
                let weight = weights.get((quad * 4 + r) * taps + tap);
                weight.map_or(0, |weight| i32::from(*weight))
            })
        };
        let quad = |quad| (0..taps).map(move |tap| of(quad, tap));
        Self { sizes: *sizes, weights: (0..quads(sizes.channels)).flat_map(quad).collect() }
    }

    /// `y = end(conv(x))`, where `x` holds words that stand for values as `from` says, and `y` is to hold
    /// such as `to` says.
    pub fn forward(
        &self,
        sizes: &Sizes,
        (x, from): (&[Word], Rounding),
        end: &Ending,
        (y, to): (&mut [Word], Rounding),
    ) {
        assert_eq!(Sizes { lanes: sizes.lanes, ..self.sizes }, *sizes, "another convolution");
        let all = sizes.lanes.blocks() * quads(sizes.channels);
        let plane = sizes.h * sizes.w * LANES;
        let written = sizes.oh() * sizes.ow() * LANES;
        assert!(x.len() == all * plane && y.len() == all * written, "sizes");
        assert!(end.factors.len() == sizes.channels && end.bias.len() == sizes.channels, "ending");
        assert!(end.add.is_none_or(|add| add.words.len() == y.len()), "summand");
        let planes = y.par_chunks_exact_mut(written).zip(x.par_chunks_exact(plane));
        planes.enumerate().for_each(|(i, (y, x))| {
            let quad = i % quads(sizes.channels);
            let add = end.add.map(|add| &add.words[i * written..(i + 1) * written]);
            simd::<Run, _>(Plane { own: self, quad, x, from, end, add, y, to });
        });
    }
}

/// Four channels of a block.
struct Plane<'a> {
    own: &'a Depthwise,
    quad: usize,
    x: &'a [Word],
    from: Rounding,
    end: &'a Ending<'a>,
    add: Option<&'a [Word]>,
    y: &'a mut [Word],
    to: Rounding,
}

struct Run;

impl Kernel<Plane<'_>> for Run {
    type Out = ();

    #[inline(always)]
    fn run(plane: Plane) {
        let Plane { own, quad, x, from, end, add, y, to } = plane;
        let Sizes { h, w, channels, window, .. } = own.sizes;
        let (taps, width) = (window.taps(), own.sizes.ow());
        let weights = &own.weights[quad * taps..(quad + 1) * taps];
        let real = 4.min(channels - quad * 4);
        let zero = i32::from(from.zero);
        let Size { h: _, w: kernel } = window.kernel;
        for (place, y) in y.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let (oy, ox) = (place / width, place % width);
            let mut sums = [[0_i32; LANES]; 4];
            for (tap, weights) in weights.iter().enumerate() {
                let iy = oy * window.stride.h + tap / kernel * window.dilation.h;
                let ix = ox * window.stride.w + tap % kernel * window.dilation.w;
                let iy = iy.wrapping_sub(window.padding.top);
                let ix = ix.wrapping_sub(window.padding.left);
                if iy >= h || ix >= w {
                    continue;
                }
                let words = &x[(iy * w + ix) * LANES..][..LANES];
                for r in 0..4 {
                    for lane in 0..LANES {
                        let byte = (words[lane] >> (8 * r) & 255) as i32;
                        sums[r][lane] += (byte - zero) * weights[r];
                    }
                }
            }
            let add = add.map(|add| add[place * LANES..].first_chunk().expect("a vector"));
            *y = [0; LANES];
            for r in 0..real {
                let steps = to.steps(&end.values(quad * 4 + r, &sums[r], add));
                for lane in 0..LANES {
                    y[lane] |= steps[lane] << (8 * r);
                }
            }
        }
    }
}
