//! Sums of products of bytes, for each set of instructions.
#![allow(unsafe_code, reason = "instructions, and operands read through pointers")]

use super::Word;

/// Registers of sums, one a lane, and what adds four products to each lane.
pub(super) trait Dot {
    /// Sums of [`Self::LANES`] lanes.
    type Sums: Copy;
    /// Words of as many lanes.
    type Words: Copy;
    /// Lanes of a register.
    const LANES: usize;

    /// All lanes `value`.
    unsafe fn splat(value: i32) -> Self::Sums;
    /// Sums in memory.
    unsafe fn load(at: *const i32) -> Self::Sums;
    /// Writes sums to memory.
    unsafe fn store(at: *mut i32, sums: Self::Sums);
    /// Words in memory.
    unsafe fn words(at: *const Word) -> Self::Words;
    /// Four weights, in all lanes.
    unsafe fn weights(weights: i32) -> Self::Words;
    /// `sums + x[0] * w[0] + .. + x[3] * w[3]`, `x` without a sign and `w` with one.
    unsafe fn add(sums: Self::Sums, x: Self::Words, w: Self::Words) -> Self::Sums;
}

/// Whether two products of any bytes with the weights `a` and `b` add up within sixteen bits.
fn light(a: i8, b: i8) -> bool {
    let (a, b) = (i32::from(a), i32::from(b));
    255 * (a.max(0) + b.max(0)) <= i32::from(i16::MAX)
        && 255 * (a.min(0) + b.min(0)) >= i32::from(i16::MIN)
}

/// Four weights as two summands in which each pair is [light](light); the second is zero where the
/// weights are light themselves.
pub(super) fn lightened(weights: [i8; 4]) -> [[i8; 4]; 2] {
    let (mut kept, mut rest) = (weights, [0; 4]);
    for pair in [0, 2] {
        if !light(weights[pair], weights[pair + 1]) {
            std::mem::swap(&mut kept[pair + 1], &mut rest[pair + 1]);
        }
    }
    [kept, rest]
}

/// Four weights as they are read.
pub(super) fn word(weights: [i8; 4]) -> i32 {
    i32::from_le_bytes(weights.map(|w| w as u8))
}

/// One lane at a time.
pub(super) struct Scalar;

impl Dot for Scalar {
    type Sums = i32;
    type Words = u32;
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: i32) -> i32 {
        value
    }

    #[inline(always)]
    unsafe fn load(at: *const i32) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { at.read() }
    }

    #[inline(always)]
    unsafe fn store(at: *mut i32, sums: i32) {
        // SAFETY: the caller's promise.
        unsafe { at.write(sums) };
    }

    #[inline(always)]
    unsafe fn words(at: *const Word) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { at.read() }
    }

    #[inline(always)]
    unsafe fn weights(weights: i32) -> u32 {
        weights as u32
    }

    #[inline(always)]
    unsafe fn add(sums: i32, x: u32, w: u32) -> i32 {
        let product = |(x, w): (u8, u8)| i32::from(x) * i32::from(w as i8);
        x.to_le_bytes().into_iter().zip(w.to_le_bytes()).map(product).sum::<i32>() + sums
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Vnni256, Vnni512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi32, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_storeu_si256, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_storeu_si512,
    };

    use super::{Dot, Word};

    /// Sixteen lanes.
    pub(crate) struct Vnni512;

    impl Dot for Vnni512 {
        type Sums = __m512i;
        type Words = __m512i;
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: i32) -> __m512i {
            // SAFETY: the caller runs where these instructions are; so in all of these functions.
            unsafe { _mm512_set1_epi32(value) }
        }

        #[inline(always)]
        unsafe fn load(at: *const i32) -> __m512i {
            // SAFETY: the caller's promise.
            unsafe { _mm512_loadu_si512(at.cast()) }
        }

        #[inline(always)]
        unsafe fn store(at: *mut i32, sums: __m512i) {
            // SAFETY: the caller's promise.
            unsafe { _mm512_storeu_si512(at.cast(), sums) };
        }

        #[inline(always)]
        unsafe fn words(at: *const Word) -> __m512i {
            // SAFETY: the caller's promise.
            unsafe { _mm512_loadu_si512(at.cast()) }
        }

        #[inline(always)]
        unsafe fn weights(weights: i32) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_set1_epi32(weights) }
        }

        #[inline(always)]
        unsafe fn add(sums: __m512i, x: __m512i, w: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_dpbusd_epi32(sums, x, w) }
        }
    }

    /// What the two sets of eight lanes share.
    macro_rules! eight_lanes {
        ($name:ident, |$sums:ident, $x:ident, $w:ident| $add:expr) => {
            impl Dot for $name {
                type Sums = __m256i;
                type Words = __m256i;
                const LANES: usize = 8;

                #[inline(always)]
                unsafe fn splat(value: i32) -> __m256i {
                    // SAFETY: the caller runs where these instructions are; so in all of these functions.
                    unsafe { _mm256_set1_epi32(value) }
                }

                #[inline(always)]
                unsafe fn load(at: *const i32) -> __m256i {
                    // SAFETY: the caller's promise.
                    unsafe { _mm256_loadu_si256(at.cast()) }
                }

                #[inline(always)]
                unsafe fn store(at: *mut i32, sums: __m256i) {
                    // SAFETY: the caller's promise.
                    unsafe { _mm256_storeu_si256(at.cast(), sums) };
                }

                #[inline(always)]
                unsafe fn words(at: *const Word) -> __m256i {
                    // SAFETY: the caller's promise.
                    unsafe { _mm256_loadu_si256(at.cast()) }
                }

                #[inline(always)]
                unsafe fn weights(weights: i32) -> __m256i {
                    // SAFETY: as above.
                    unsafe { _mm256_set1_epi32(weights) }
                }

                #[inline(always)]
                unsafe fn add($sums: __m256i, $x: __m256i, $w: __m256i) -> __m256i {
                    // SAFETY: as above.
                    unsafe { $add }
                }
            }
        };
    }

    /// Eight lanes.
    pub(crate) struct Vnni256;

    eight_lanes!(Vnni256, |sums, x, w| _mm256_dpbusd_avx_epi32(sums, x, w));

    /// Eight lanes, by way of pairs in sixteen bits.
    pub(crate) struct Avx2;

    eight_lanes!(Avx2, |sums, x, w| {
        let pairs = _mm256_maddubs_epi16(x, w);
        _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_pairs_are_split() {
        let sum = |[a, b]: [[i8; 4]; 2]| std::array::from_fn(|i| a[i] + b[i]);
        for weights in [[127, 127, 1, -1], [-128, -128, 64, 64], [127, -128, 65, 64], [0; 4]] {
            let parts = lightened(weights);
            assert_eq!(sum(parts), weights);
            for [a, b, c, d] in parts {
                assert!(light(a, b) && light(c, d), "{weights:?}: {parts:?}");
            }
        }
        assert_eq!(lightened([127, -127, 64, 64])[1], [0; 4], "light as it is");
        assert_eq!(lightened([65, 64, 0, 0]), [[65, 0, 0, 0], [0, 64, 0, 0]]);
        assert!(light(64, 64) && !light(65, 64) && light(-64, -64) && !light(-65, -64));
    }
}
