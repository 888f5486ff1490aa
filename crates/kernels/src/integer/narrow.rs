//! Weights whose products with any bytes add up within sixteen bits, as AVX2 without VNNI needs them.

use super::quads::Quad;

/// The most that the positive weights of a 16-bit sum may add up to, and the negative ones in magnitude: 255
/// times as much stays within -2^15 and 2^15 - 1.
const MOST: i32 = 128;

/// What the weights of a 16-bit sum add up to, those of each sign by themselves, in magnitude.
#[derive(Clone, Copy, Default)]
struct SignedSums {
    positive: i32,
    negative: i32,
}

impl SignedSums {
    fn with(self, weight: i8) -> Self {
        let weight = i32::from(weight);
        Self { positive: self.positive + weight.max(0), negative: self.negative - weight.min(0) }
    }

    fn fits(self) -> bool {
        self.positive <= MOST && self.negative <= MOST
    }
}

/// Whether the products of `quads` add up within sixteen bits: those of the first and second weight of each
/// make one sum, those of the third and fourth another.
pub(super) fn fits_i16(quads: &[Quad]) -> bool {
    [0, 2].into_iter().all(|half| {
        let weights = quads.iter().flat_map(|quad| [quad[half], quad[half + 1]]);
        weights.fold(SignedSums::default(), SignedSums::with).fits()
    })
}

/// Splits `quads` into two summands: the first [fits](fits_i16), the second holds the few weights that a greedy
/// choice takes out (all zero if `quads` fit as they are).
pub(super) fn split_to_fit<const N: usize>(quads: [Quad; N]) -> [[Quad; N]; 2] {
    let (mut kept, mut rest) = (quads, [[0; 4]; N]);
    for half in [0, 2] {
        loop {
            let places = (0..2 * N).map(|i| (i / 2, half + i % 2));
            let sums = places.clone().fold(SignedSums::default(), |l, (q, i)| l.with(kept[q][i]));
            if sums.fits() {
                break;
            }
            let (sign, excess) = if sums.positive > MOST {
                (1, sums.positive - MOST)
            } else {
                (-1, sums.negative - MOST)
            };
            let size = |&(q, i): &(usize, usize)| sign * i32::from(kept[q][i]);
            // The smallest that is enough, or else the largest.
            let enough = places.clone().filter(|p| size(p) >= excess).min_by_key(size);
            let (q, i) = enough.or_else(|| places.max_by_key(size)).expect("there are weights");
            std::mem::swap(&mut kept[q][i], &mut rest[q][i]);
        }
    }
    [kept, rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_heavy_is_split() {
        let heavy = [[127, 127, 1, -1], [-128, -128, 64, 64]];
        for quads in [heavy, [[127, -128, 65, 64], [1, 1, 1, 1]], [[0; 4]; 2], [[127; 4]; 2]] {
            let [kept, rest] = split_to_fit(quads);
            assert!(fits_i16(&kept), "{kept:?}");
            let sum = |q: usize, i: usize| kept[q][i] + rest[q][i];
            for (q, quad) in quads.iter().enumerate() {
                assert_eq!(*quad, std::array::from_fn(|i| sum(q, i)));
            }
        }
        let single = [[127, -127, 64, 64]];
        assert_eq!(split_to_fit(single), [single, [[0; 4]]], "it fits as it is");
        assert_eq!(split_to_fit([[65, 64, 0, 0]]), [[[65, 0, 0, 0]], [[0, 64, 0, 0]]]);
        assert_eq!(split_to_fit([[100, 9, 0, 0], [20, 8, 0, 0]])[1], [[0, 9, 0, 0], [0; 4]]);
    }

    #[test]
    fn the_bound_is_that_of_sixteen_bits() {
        assert!(255 * MOST <= i32::from(i16::MAX) && -255 * MOST >= i32::from(i16::MIN));
        assert!(
            fits_i16(&[[64, 64, -64, -64]])
                && !fits_i16(&[[65, 64, 0, 0]])
                && !fits_i16(&[[0, 0, -65, -64]])
        );
        assert!(
            !fits_i16(&[[64, 32, 0, 0], [0, 33, 0, 0]])
                && fits_i16(&[[64, 64, 0, 0], [-64, -64, 0, 0]])
        );
    }
}
