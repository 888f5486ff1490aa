//! Weights whose products with any bytes add up within sixteen bits, as AVX2 without VNNI needs them.

/// The weights of a word.
pub(super) type Quad = [i8; 4];

/// The most that positive weights of one sum of sixteen bits may add up to, and negative ones likewise:
/// 255 times as much stays within -2^15 and 2^15 - 1.
const MOST: i32 = 128;

/// What the weights of one sum of sixteen bits add up to, those of each sign by themselves.
#[derive(Clone, Copy, Default)]
struct Load {
    up: i32,
    down: i32,
}

impl Load {
    fn with(self, weight: i8) -> Self {
        let weight = i32::from(weight);
        Self { up: self.up + weight.max(0), down: self.down - weight.min(0) }
    }

    fn fits(self) -> bool {
        self.up <= MOST && self.down <= MOST
    }
}

/// Whether the products of `quads` add up within sixteen bits: those of the first and second weight of each
/// make one sum, those of the third and fourth another.
pub(super) fn fit(quads: &[Quad]) -> bool {
    [0, 2].into_iter().all(|half| {
        let weights = quads.iter().flat_map(|quad| [quad[half], quad[half + 1]]);
        weights.fold(Load::default(), Load::with).fits()
    })
}

/// `quads` as two summands, of which the first [fits](fit), and the second holds as few weights as a greedy
/// choice finds: zeros where the quads fit themselves.
pub(super) fn lightened<const N: usize>(quads: [Quad; N]) -> [[Quad; N]; 2] {
    let (mut kept, mut rest) = (quads, [[0; 4]; N]);
    for half in [0, 2] {
        loop {
            let places = (0..2 * N).map(|i| (i / 2, half + i % 2));
            let load = places.clone().fold(Load::default(), |l, (q, i)| l.with(kept[q][i]));
            if load.fits() {
                break;
            }
            let (sign, excess) =
                if load.up > MOST { (1, load.up - MOST) } else { (-1, load.down - MOST) };
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
            let [kept, rest] = lightened(quads);
            assert!(fit(&kept), "{kept:?}");
            let sum = |q: usize, i: usize| kept[q][i] + rest[q][i];
            for (q, quad) in quads.iter().enumerate() {
                assert_eq!(*quad, std::array::from_fn(|i| sum(q, i)));
            }
        }
        let single = [[127, -127, 64, 64]];
        assert_eq!(lightened(single), [single, [[0; 4]]], "light as it is");
        assert_eq!(lightened([[65, 64, 0, 0]]), [[[65, 0, 0, 0]], [[0, 64, 0, 0]]]);
        assert_eq!(lightened([[100, 9, 0, 0], [20, 8, 0, 0]])[1], [[0, 9, 0, 0], [0; 4]]);
    }

    #[test]
    fn the_bound_is_that_of_sixteen_bits() {
        assert!(255 * MOST <= i32::from(i16::MAX) && -255 * MOST >= i32::from(i16::MIN));
        assert!(fit(&[[64, 64, -64, -64]]) && !fit(&[[65, 64, 0, 0]]) && !fit(&[[0, 0, -65, -64]]));
        assert!(!fit(&[[64, 32, 0, 0], [0, 33, 0, 0]]) && fit(&[[64, 64, 0, 0], [-64, -64, 0, 0]]));
    }
}
