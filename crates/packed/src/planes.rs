//! Numbers as planes of bytes: the first holds every number's highest byte, and so on.
//!
//! High bytes of floats are mostly alike and compress; low ones are noise and do not. So each plane
//! is compressed on its own, and only where that makes it smaller: a plane of fewer bytes than it
//! should have is a zstd frame.

/// Most of what there is to gain is how often each byte occurs, which any level finds; this one is
/// 1 % smaller on trained weights, and packing still takes less than a second.
const LEVEL: i32 = 19;

/// `plane` compressed, or as it is where that is smaller.
pub(crate) fn squeezed(plane: Vec<u8>) -> Vec<u8> {
    let frame = zstd::bulk::compress(&plane, LEVEL).ok().filter(|frame| frame.len() < plane.len());
    frame.unwrap_or(plane)
}

/// The plane of `len` bytes that was stored as `stored`.
pub(crate) fn expanded(stored: &[u8], len: usize) -> Result<Vec<u8>, String> {
    if stored.len() == len {
        return Ok(stored.to_vec());
    }
    let plane = frame(stored, len)?;
    if plane.len() == len {
        return Ok(plane);
    }
    Err(format!("{} bytes in a frame; expected {len}", plane.len()))
}

/// What is in the zstd frame `stored`, at most `most` bytes.
pub(crate) fn frame(stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    zstd::bulk::decompress(stored, most)
        .map_err(|e| format!("{} bytes are no zstd frame of up to {most}: {e}", stored.len()))
}

/// The four planes of `values`, each turned left by a bit so that the exponent fills a plane.
pub(crate) fn of_f32(values: &[f32]) -> Vec<Vec<u8>> {
    let turned = |v: &f32| v.to_bits().rotate_left(1);
    (0..4)
        .rev()
        .map(|byte| values.iter().map(|v| (turned(v) >> (8 * byte)) as u8).collect())
        .collect()
}

/// The values of four planes of equal length.
pub(crate) fn to_f32(planes: &[Vec<u8>]) -> Vec<f32> {
    let [a, b, c, d] = planes else { unreachable!("the number of planes was checked") };
    let bytes = a.iter().zip(b).zip(c.iter().zip(d));
    let value = |((a, b), (c, d)): ((&u8, &u8), (&u8, &u8))| {
        f32::from_bits(u32::from_be_bytes([*a, *b, *c, *d]).rotate_right(1))
    };
    bytes.map(value).collect()
}

/// The two planes of the bits of 16-bit floats, turned likewise.
pub(crate) fn of_f16(bits: &[u16]) -> Vec<Vec<u8>> {
    let turned = |b: &u16| b.rotate_left(1);
    (0..2)
        .rev()
        .map(|byte| bits.iter().map(|b| (turned(b) >> (8 * byte)) as u8).collect())
        .collect()
}

/// The bits of two planes of equal length.
pub(crate) fn to_f16(planes: &[Vec<u8>]) -> impl Iterator<Item = u16> {
    let [high, low] = planes else { unreachable!("the number of planes was checked") };
    high.iter().zip(low).map(|(h, l)| u16::from_be_bytes([*h, *l]).rotate_right(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn planes_come_back(bits in prop::collection::vec(any::<u32>(), 0..50)) {
            let values: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
            let back: Vec<u32> = to_f32(&of_f32(&values)).iter().map(|v| v.to_bits()).collect();
            prop_assert_eq!(&back, &bits);
            let halves: Vec<u16> = bits.iter().map(|b| *b as u16).collect();
            prop_assert_eq!(to_f16(&of_f16(&halves)).collect::<Vec<_>>(), halves);
        }
    }

    #[test]
    fn a_plane_shrinks_or_stays() {
        let check = |plane: Vec<u8>, shrinks: bool| {
            let stored = squeezed(plane.clone());
            assert_eq!(stored.len() < plane.len(), shrinks, "{} bytes", plane.len());
            assert_eq!(expanded(&stored, plane.len()).expect("its own"), plane);
            let longer = expanded(&stored, plane.len() + 1).expect_err("too short");
            assert!(longer.contains("expected") || longer.contains("no zstd frame"), "{longer}");
        };
        check(vec![7; 1000], true);
        check((0..=255).collect(), false);
        check(vec![], false);
        let bomb = squeezed(vec![0; 1 << 20]);
        assert!(expanded(&bomb, 1 << 10).is_err_and(|e| e.contains("of up to 1024")));
    }
}
