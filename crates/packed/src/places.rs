//! Where the kept values of a tensor stand, and how that is stored.

use sparsity::{Mask, Units};

use crate::record::Positions;
use crate::{Encode, planes};

/// In a gap this byte says: so many, and the next byte too.
const MORE: u8 = 255;
/// Level of the frame of gaps. Of trained weights this one finds 3 % that the first does not: less
/// than independent positions of that density could take.
const LEVEL: i32 = 19;

/// The flat indices of the kept values of a tensor, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Places {
    /// Every one of so many.
    All(usize),
    /// These, of `len`.
    Some {
        /// Indices below `len`.
        at: Vec<u32>,
        /// How many values the tensor has.
        len: usize,
    },
}

impl Places {
    /// Those that `mask` keeps, of a tensor with `len` values.
    pub fn of(mask: Option<&Mask>, len: usize) -> Self {
        match mask {
            Some(mask) if mask.pruned() > 0 => {
                let kept = mask.kept().iter().enumerate().filter(|(_, kept)| **kept);
                Self::Some { at: kept.map(|(i, _)| i as u32).collect(), len }
            }
            _ => Self::All(len),
        }
    }

    /// How many are kept.
    pub fn kept(&self) -> usize {
        match self {
            Self::All(len) => *len,
            Self::Some { at, .. } => at.len(),
        }
    }

    /// How many of each of `rows` equal rows are kept.
    pub fn rows(&self, rows: usize) -> Vec<usize> {
        match self {
            Self::All(len) => vec![len / rows; rows],
            Self::Some { at, len } => {
                let end = |row: usize| at.partition_point(|i| (*i as usize) < row * (len / rows));
                (0..rows).map(|row| end(row + 1) - end(row)).collect()
            }
        }
    }

    /// The kept ones of `values`.
    pub fn gathered(&self, values: &[f32]) -> Vec<f32> {
        match self {
            Self::All(_) => values.to_vec(),
            Self::Some { at, .. } => at.iter().map(|i| values[*i as usize]).collect(),
        }
    }

    /// The whole tensor of the values `kept`: 0 between them.
    pub fn scattered<T: Copy + Default>(&self, kept: &[T]) -> Vec<T> {
        match self {
            Self::All(_) => kept.to_vec(),
            Self::Some { at, len } => {
                let mut all = vec![T::default(); *len];
                for (i, value) in at.iter().zip(kept) {
                    all[*i as usize] = *value;
                }
                all
            }
        }
    }

    /// The mask that keeps them.
    pub fn mask(&self) -> Mask {
        match self {
            Self::All(len) => Mask::new(vec![true; *len]),
            Self::Some { at, len } => {
                let mut kept = vec![false; *len];
                for i in at {
                    kept[*i as usize] = true;
                }
                Mask::new(kept)
            }
        }
    }

    /// How these places are stored, and the bytes (none where everything is kept); `mask` is the mask that
    /// keeps them, of a tensor of this shape.
    pub fn encoded(&self, encode: Encode, mask: &Mask, shape: &[usize]) -> (Positions, Vec<u8>) {
        let Self::Some { at, len } = self else { return (Positions::All, vec![]) };
        let gaps = || {
            let blocks = Units::blocks_of(shape);
            let whole = shape.len() > 1 && blocks.keeps_whole(mask);
            let blocks = whole.then(|| {
                let kept = blocks.unit_mask(mask);
                let kept = kept.kept().iter().zip(0..).filter(|(kept, _)| **kept);
                (Positions::Blocks, entropy(&kept.map(|(_, i)| i).collect::<Vec<u32>>()))
            });
            smallest([Some((Positions::Entropy, entropy(at))), blocks])
        };
        let bits = || (Positions::Bitmask, bitmask(at, *len));
        match encode {
            Encode::Bitmask => bits(),
            Encode::Entropy => gaps(),
            Encode::Auto => smallest([Some(gaps()), Some(bits())]),
        }
    }

    /// The `kept` places of a tensor of this shape that were stored as `positions` in `bytes`.
    ///
    /// # Errors
    /// In words, where the bytes do not say exactly so many places.
    pub fn decoded(
        positions: Positions,
        bytes: &[u8],
        kept: usize,
        shape: &[usize],
    ) -> Result<Self, String> {
        let len: usize = shape.iter().product();
        let frame = || planes::frame(bytes, kept + len / 255);
        let at = match positions {
            Positions::None | Positions::All if kept == len => return Ok(Self::All(len)),
            Positions::None | Positions::All => {
                return Err(format!("{kept} of {len} values are kept; without positions all are"));
            }
            Positions::Bitmask => of_bitmask(bytes, len)?,
            Positions::Entropy => of_gaps(&frame()?, len)?,
            Positions::Blocks if shape.len() < 2 => {
                return Err(format!(
                    "positions are stored as blocks; a tensor of shape {shape:?} has no input channels"
                ));
            }
            Positions::Blocks => of_blocks(&frame()?, &Units::blocks_of(shape))?,
        };
        if at.len() == kept {
            return Ok(Self::Some { at, len });
        }
        Err(format!("{} positions; expected {kept}", at.len()))
    }
}

/// The one of fewest bytes, of equals the first.
fn smallest(all: [Option<(Positions, Vec<u8>)>; 2]) -> (Positions, Vec<u8>) {
    all.into_iter().flatten().min_by_key(|coded| coded.1.len()).expect("one at least")
}

/// The weights of the blocks that `gaps` lead to.
fn of_blocks(gaps: &[u8], blocks: &Units) -> Result<Vec<u32>, String> {
    Ok(blocks.weights(&of_gaps(gaps, blocks.count())?))
}

fn bitmask(at: &[u32], len: usize) -> Vec<u8> {
    let mut bits = vec![0; len.div_ceil(8)];
    for i in at {
        bits[*i as usize / 8] |= 1 << (i % 8);
    }
    bits
}

fn of_bitmask(bytes: &[u8], len: usize) -> Result<Vec<u32>, String> {
    if bytes.len() != len.div_ceil(8) {
        return Err(format!("{} bytes of bits; expected {}", bytes.len(), len.div_ceil(8)));
    }
    let set = bytes.iter().zip(0_u32..).flat_map(|(byte, i)| {
        (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| 8 * i + bit)
    });
    let at: Vec<u32> = set.collect();
    match at.last() {
        Some(last) if *last as usize >= len => Err(format!("bit {last} is set; there are {len}")),
        _ => Ok(at),
    }
}

/// The number of pruned values before each kept one as bytes, compressed.
fn entropy(at: &[u32]) -> Vec<u8> {
    let mut gaps = Vec::with_capacity(at.len());
    let mut next = 0;
    for i in at {
        let gap = i - next;
        gaps.extend(std::iter::repeat_n(MORE, (gap / u32::from(MORE)) as usize));
        gaps.push((gap % u32::from(MORE)) as u8);
        next = i + 1;
    }
    zstd::bulk::compress(&gaps, LEVEL).expect("a frame of memory grows with what it holds")
}

fn of_gaps(gaps: &[u8], len: usize) -> Result<Vec<u32>, String> {
    if gaps.last() == Some(&MORE) {
        return Err("the gaps end within one".to_owned());
    }
    let (mut at, mut next) = (Vec::with_capacity(gaps.len()), 0_usize);
    for gap in gaps {
        next += usize::from(*gap);
        if *gap != MORE {
            at.push(next as u32);
            next += 1;
        }
    }
    if next > len {
        return Err(format!("the gaps lead to value {}; there are {len}", next - 1));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::Named;
    use proptest::prelude::*;

    fn check(kept: Vec<bool>) {
        let (len, mask) = (kept.len(), Mask::new(kept));
        let places = Places::of(Some(&mask), len);
        assert_eq!(places.mask(), mask);
        let mut sizes = vec![];
        for encode in Encode::ALL.iter().copied() {
            let (positions, bytes) = places.encoded(encode, &mask, &[len]);
            let back = Places::decoded(positions, &bytes, places.kept(), &[len]);
            assert_eq!(back.expect("its own"), places);
            sizes.push(bytes.len());
        }
        assert_eq!(Some(&sizes[0]), sizes[1..].iter().min(), "auto takes the smaller");
    }

    proptest! {
        #[test]
        fn masks_come_back(density in 0.0..=1.0_f64, draws in prop::collection::vec(0.0..1.0_f64, 0..3000)) {
            check(draws.iter().map(|d| *d < density).collect());
        }

        #[test]
        fn values_come_back(kept in prop::collection::vec((any::<bool>(), 1_i8..), 1..60)) {
            let mask = Mask::new(kept.iter().map(|k| k.0).collect());
            let values: Vec<f32> = kept.iter().map(|k| f32::from(i8::from(k.0) * k.1)).collect();
            let places = Places::of(Some(&mask), kept.len());
            let gathered = places.gathered(&values);
            prop_assert_eq!(gathered.len(), places.kept());
            prop_assert_eq!(places.scattered(&gathered), values);
            prop_assert_eq!(places.rows(1), [places.kept()]);
            prop_assert_eq!(places.rows(kept.len()).iter().sum::<usize>(), places.kept());
        }
    }

    #[test]
    fn whole_blocks_cost_less() {
        let mut random = seed::stream(1, "test/places", 0);
        let (shape, blocks) = ([32, 30, 3, 3], Units::blocks_of(&[32, 30, 3, 3]));
        let units = Mask::new((0..blocks.count()).map(|_| random.chance(0.1)).collect());
        let mask = blocks.weight_mask(&units, None);
        let places = Places::of(Some(&mask), mask.len());
        let size = |encode, expected| {
            let (positions, bytes) = places.encoded(encode, &mask, &shape);
            assert_eq!(positions, expected);
            let back = Places::decoded(positions, &bytes, places.kept(), &shape);
            assert_eq!(back.expect("its own"), places);
            bytes.len()
        };
        let (auto, bits) =
            (size(Encode::Auto, Positions::Blocks), size(Encode::Bitmask, Positions::Bitmask));
        assert!(auto * 5 < bits, "{auto} of {bits}");
        // One weight less, and it is a mask of single weights.
        let mut kept = mask.kept().to_vec();
        let first = kept.iter().position(|k| *k).expect("some are kept");
        kept[first] = false;
        let mask = Mask::new(kept);
        let places = Places::of(Some(&mask), mask.len());
        assert_eq!(places.encoded(Encode::Entropy, &mask, &shape).0, Positions::Entropy);
    }

    #[test]
    fn gaps_of_any_length() {
        for gap in [0, 1, 254, 255, 256, 509, 510, 511, 765, 766, 5000] {
            let mut kept = vec![false; gap];
            kept.push(true);
            check(kept.clone());
            kept.extend(vec![false; gap]);
            check([kept.clone(), kept].concat());
        }
        check(vec![false; 3000]);
        check(vec![true; 3000]);
        check(vec![]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let check = |positions, bytes: &[u8], (kept, len): (usize, usize), expected: &str| {
            let found = Places::decoded(positions, bytes, kept, &[len]).expect_err("does not fit");
            assert!(found.contains(expected), "{found} lacks {expected}");
        };
        let frame = |gaps: &[u8]| zstd::bulk::compress(gaps, 1).expect("fits");
        check(Positions::All, &[], (3, 4), "3 of 4 values are kept");
        check(Positions::Bitmask, &[1], (1, 9), "1 bytes of bits; expected 2");
        check(Positions::Bitmask, &[0, 4], (1, 10), "bit 10 is set; there are 10");
        check(Positions::Bitmask, &[3], (1, 8), "2 positions; expected 1");
        check(Positions::Entropy, &[3], (1, 8), "no zstd frame");
        check(Positions::Entropy, &frame(&[0; 9]), (8, 9), "no zstd frame of up to 8");
        check(Positions::Entropy, &frame(&[7, 0]), (2, 8), "lead to value 8; there are 8");
        check(Positions::Entropy, &frame(&[7]), (2, 8), "1 positions; expected 2");
        check(Positions::Entropy, &frame(&[1, 255]), (2, 300), "end within one");
        check(
            Positions::Blocks,
            &frame(&[0]),
            (2, 8),
            "a tensor of shape [8] has no input channels",
        );
        // Of two outputs and five inputs: four blocks.
        let found = Places::decoded(Positions::Blocks, &frame(&[4]), 4, &[2, 5, 1, 1]);
        assert!(found.expect_err("beyond").contains("lead to value 4; there are 4"));
        let found = Places::decoded(Positions::Blocks, &frame(&[1]), 4, &[2, 5, 1, 1]);
        assert!(found.expect_err("narrower").contains("1 positions; expected 4"));
    }
}
