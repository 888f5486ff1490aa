//! Sums of products of bytes, for each set of instructions.
#![allow(unsafe_code, reason = "instructions, and operands read through pointers")]

use super::Word;
use super::quads::Quad;

/// Registers of sums, one a lane, and what adds four products to each lane.
pub(super) trait Dot {
    /// Sums of [`Self::LANES`] lanes.
    type Sums: Copy;
    /// Words of as many lanes.
    type Words: Copy;
    /// A constant register that products need, made once: compilers would otherwise rebuild it for each
    /// product.
    type Aid: Copy;
    /// Lanes of a register.
    const LANES: usize;
    /// What [`Self::words`] takes off each byte, so that instructions that know signed bytes alone serve.
    const LESS: i32 = 0;

    /// See [`Self::Aid`].
    unsafe fn aid() -> Self::Aid;

    /// All lanes `value`.
    unsafe fn splat(value: i32) -> Self::Sums;
    /// Sums in memory.
    unsafe fn load(at: *const i32) -> Self::Sums;
    /// Writes sums to memory.
    unsafe fn store(at: *mut i32, sums: Self::Sums);
    /// The sums of both.
    unsafe fn sum(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// Words in memory.
    unsafe fn words(at: *const Word) -> Self::Words;
    /// Four weights, in all lanes.
    unsafe fn weights(weights: i32) -> Self::Words;
    /// `sums + x[0] * w[0] + .. + x[3] * w[3]`; `w` has a sign, and `x` is bytes less [`Self::LESS`].
    unsafe fn add(aid: Self::Aid, sums: Self::Sums, x: Self::Words, w: Self::Words) -> Self::Sums;
    /// The same for two words of each operand; some instructions need sums that
    /// [fit sixteen bits](super::narrow::fits_i16).
    #[inline(always)]
    unsafe fn add_both(
        aid: Self::Aid,
        sums: Self::Sums,
        x: [Self::Words; 2],
        w: [Self::Words; 2],
    ) -> Self::Sums {
        // SAFETY: the caller's promise.
        unsafe { Self::add(aid, Self::add(aid, sums, x[0], w[0]), x[1], w[1]) }
    }
}

/// Four weights as they are read.
pub(super) fn word(weights: Quad) -> i32 {
    i32::from_le_bytes(weights.map(|w| w as u8))
}

/// One lane at a time.
pub(super) struct Scalar;

impl Dot for Scalar {
    type Sums = i32;
    type Words = u32;
    type Aid = ();
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn aid() {}

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
    unsafe fn sum(a: i32, b: i32) -> i32 {
        a + b
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
    unsafe fn add((): (), sums: i32, x: u32, w: u32) -> i32 {
        let product = |(x, w): (u8, u8)| i32::from(x) * i32::from(w as i8);
        x.to_le_bytes().into_iter().zip(w.to_le_bytes()).map(product).sum::<i32>() + sums
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Vnni256, Vnni512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi16, _mm256_add_epi32, _mm256_dpbusd_avx_epi32,
        _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi16,
        _mm256_set1_epi32, _mm256_storeu_si256, _mm512_add_epi32, _mm512_dpbusd_epi32,
        _mm512_loadu_si512, _mm512_set1_epi32, _mm512_storeu_si512,
    };

    use super::{Dot, Word};

    /// Sixteen lanes.
    pub(crate) struct Vnni512;

    impl Dot for Vnni512 {
        type Sums = __m512i;
        type Words = __m512i;
        type Aid = ();
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn aid() {}

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
        unsafe fn sum(a: __m512i, b: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_add_epi32(a, b) }
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
        unsafe fn add((): (), sums: __m512i, x: __m512i, w: __m512i) -> __m512i {
            // SAFETY: as above.
            unsafe { _mm512_dpbusd_epi32(sums, x, w) }
        }
    }

    /// What the two sets of eight lanes share.
    macro_rules! eight_lanes {
        (
            $name:ident, $aid:ty = $make:expr,
            |$own:ident, $sums:ident, $x:ident, $w:ident| $add:expr $(, $more:item)?
        ) => {
            impl Dot for $name {
                type Sums = __m256i;
                type Words = __m256i;
                type Aid = $aid;
                const LANES: usize = 8;

                #[inline(always)]
                unsafe fn aid() -> $aid {
                    $make
                }

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
                unsafe fn sum(a: __m256i, b: __m256i) -> __m256i {
                    // SAFETY: as above.
                    unsafe { _mm256_add_epi32(a, b) }
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
                unsafe fn add($own: $aid, $sums: __m256i, $x: __m256i, $w: __m256i) -> __m256i {
                    // SAFETY: as above.
                    unsafe { $add }
                }

                $($more)?
            }
        };
    }

    /// Eight lanes.
    pub(crate) struct Vnni256;

    eight_lanes!(Vnni256, () = (), |_aid, sums, x, w| _mm256_dpbusd_avx_epi32(sums, x, w));

    /// Eight lanes, by way of pairs in sixteen bits.
    pub(crate) struct Avx2;

    eight_lanes!(
        Avx2,
        __m256i = {
            // SAFETY: the caller runs where these instructions are.
            unsafe { _mm256_set1_epi16(std::hint::black_box(1)) }
        },
        |ones, sums, x, w| {
            let pairs = _mm256_maddubs_epi16(x, w);
            _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones))
        },
        #[inline(always)]
        unsafe fn add_both(
            ones: __m256i,
            sums: __m256i,
            x: [__m256i; 2],
            w: [__m256i; 2],
        ) -> __m256i {
            // SAFETY: as above.
            unsafe {
                let [a, b] = [_mm256_maddubs_epi16(x[0], w[0]), _mm256_maddubs_epi16(x[1], w[1])];
                let pairs = _mm256_add_epi16(a, b);
                _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones))
            }
        }
    );
}

#[cfg(target_arch = "aarch64")]
pub(super) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::{
        int8x16_t, int32x4_t, vaddq_s32, vdupq_n_s32, vdupq_n_u8, veorq_u8, vld1q_s32, vld1q_u8,
        vreinterpretq_s8_s32, vreinterpretq_s8_u8, vst1q_s32,
    };
    use std::arch::asm;

    use super::{Dot, Word};

    /// Four lanes.
    pub(crate) struct Neon;

    impl Dot for Neon {
        type Sums = int32x4_t;
        type Words = int8x16_t;
        type Aid = ();
        const LANES: usize = 4;
        const LESS: i32 = 128;

        #[inline(always)]
        unsafe fn aid() {}

        #[inline(always)]
        unsafe fn splat(value: i32) -> int32x4_t {
            // SAFETY: the caller runs where these instructions are; so in all of these functions.
            unsafe { vdupq_n_s32(value) }
        }

        #[inline(always)]
        unsafe fn load(at: *const i32) -> int32x4_t {
            // SAFETY: the caller's promise.
            unsafe { vld1q_s32(at) }
        }

        #[inline(always)]
        unsafe fn store(at: *mut i32, sums: int32x4_t) {
            // SAFETY: the caller's promise.
            unsafe { vst1q_s32(at, sums) };
        }

        #[inline(always)]
        unsafe fn sum(a: int32x4_t, b: int32x4_t) -> int32x4_t {
            // SAFETY: as above.
            unsafe { vaddq_s32(a, b) }
        }

        #[inline(always)]
        unsafe fn words(at: *const Word) -> int8x16_t {
            // SAFETY: the caller's promise.
            unsafe { vreinterpretq_s8_u8(veorq_u8(vld1q_u8(at.cast()), vdupq_n_u8(0x80))) }
        }

        #[inline(always)]
        unsafe fn weights(weights: i32) -> int8x16_t {
            // SAFETY: as above.
            unsafe { vreinterpretq_s8_s32(vdupq_n_s32(weights)) }
        }

        #[inline(always)]
        unsafe fn add((): (), mut sums: int32x4_t, x: int8x16_t, w: int8x16_t) -> int32x4_t {
            // The intrinsic is not stable.
            // SAFETY: it reads and writes these registers alone.
            unsafe {
                asm!(
                    "sdot {sums:v}.4s, {x:v}.16b, {w:v}.16b",
                    sums = inout(vreg) sums,
                    x = in(vreg) x,
                    w = in(vreg) w,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            sums
        }
    }
}
