//! Every second value of a row.
#![allow(unsafe_code, reason = "pairs of values are read as one")]

/// The first of each of `N` pairs.
///
/// Pairs are read as halves of 64 bits: of single values the compiler would make a move each.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment, reason = "it is read as not aligned")]
pub(crate) fn first<const N: usize>(values: &[f32]) -> [f32; N] {
    assert!(values.len() >= 2 * N, "pairs");
    let pair = values.as_ptr().cast::<u64>();
    let behind = if cfg!(target_endian = "big") { 32 } else { 0 };
    // SAFETY: there are `N` pairs.
    let bits = |i| unsafe { pair.add(i).read_unaligned() >> behind } as u32;
    std::array::from_fn(|i| f32::from_bits(bits(i)))
}
