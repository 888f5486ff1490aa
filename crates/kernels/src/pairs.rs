//! Every second value of a row.
#![allow(unsafe_code, reason = "pairs of values are read as one")]

/// The first of each of `N` pairs.
///
/// Each pair is read as one integer of 64 bits, and half of it taken: if values were read singly, the compiler
/// would emit a move for each.
#[inline(always)]
#[allow(clippy::cast_ptr_alignment, reason = "the read is unaligned")]
pub(crate) fn first<const N: usize>(values: &[f32]) -> [f32; N] {
    assert!(values.len() >= 2 * N, "too few values for {N} pairs");
    let pair = values.as_ptr().cast::<u64>();
    let shift = if cfg!(target_endian = "big") { 32 } else { 0 };
    // SAFETY: there are `N` pairs.
    let bits = |i| unsafe { pair.add(i).read_unaligned() >> shift } as u32;
    std::array::from_fn(|i| f32::from_bits(bits(i)))
}
