//! Depthwise convolution with AVX-512 VNNI: four taps of a channel a product.
#![allow(unsafe_code, reason = "instructions")]

use std::arch::x86_64::{
    __m512, __m512i, _mm_castps_si128, _mm_loadu_ps, _mm512_add_ps, _mm512_broadcast_f32x4,
    _mm512_broadcast_i32x4, _mm512_castps_si512, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32,
    _mm512_loadu_si512, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_mullo_epi32,
    _mm512_packs_epi32, _mm512_packus_epi16, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_sub_epi32, _mm512_unpackhi_epi8,
    _mm512_unpackhi_epi16, _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
};

use super::Sums;
use crate::LANES;
use crate::integer::ending::{BYTES, TO_INTEGER};
use crate::integer::planes::{Each, Operands, Plane, Read, bytes, run_each};

/// Taps that are multiplied together.
const TAPS: usize = 4;

/// The weights of a depthwise convolution, by quad of channels, then by four taps, then by channel.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    all: Vec<[i32; 4]>,
    /// Of a quad.
    groups: usize,
}

impl Weights {
    /// Those that `weight` gives of (channel, tap); zero where there is none.
    pub fn new(quads: usize, taps: usize, weight: impl Fn(usize, usize) -> i8) -> Self {
        let groups = taps.div_ceil(TAPS);
        let of = |quad: usize, group: usize| -> [i32; 4] {
            std::array::from_fn(|channel| {
                i32::from_le_bytes(std::array::from_fn(|i| {
                    let tap = group * TAPS + i;
                    if tap < taps { weight(4 * quad + channel, tap) as u8 } else { 0 }
                }))
            })
        };
        let all = (0..quads).flat_map(|quad| (0..groups).map(move |group| (quad, group)));
        Self { all: all.map(|(quad, group)| of(quad, group)).collect(), groups }
    }
}

/// What [`Sums`] computes, with these instructions.
///
/// The sums of a vector of words are four registers: register `k` has words `k`, `4 + k`, `8 + k` and `12 + k`, each
/// with its four channels. That is how bytes are unpacked, and how they are packed again.
pub(super) struct VnniSums<'a> {
    pub sums: Sums<'a>,
    pub weights: &'a Weights,
    /// Factors and biases of each quad of channels, 0 past the last.
    pub endings: Vec<[[f32; 4]; 2]>,
}

impl VnniSums<'_> {
    /// # Safety
    /// The instructions must be there.
    #[inline(always)]
    unsafe fn sums(&self, quad: usize, read: Read) -> [__m512i; 4] {
        let Sums { own, zero, .. } = &self.sums;
        // SAFETY: the caller's promise; all reads are of references. So in all of these functions.
        unsafe {
            let totals = four(own.totals[quad].as_ptr());
            let start = _mm512_sub_epi32(
                _mm512_setzero_si512(),
                _mm512_mullo_epi32(totals, _mm512_set1_epi32(*zero)),
            );
            let mut sums = [start; 4];
            let weights = &self.weights.all[quad * self.weights.groups..][..self.weights.groups];
            let last = read.len() - 1;
            for (group, weights) in weights.iter().enumerate() {
                let tap = group * TAPS;
                let (a, b) = (load(read.tap(tap)), load(read.tap((tap + 1).min(last))));
                let (c, d) =
                    (load(read.tap((tap + 2).min(last))), load(read.tap((tap + 3).min(last))));
                let (x, weights) = (unpacked(a, b, c, d), four(weights.as_ptr()));
                for k in 0..4 {
                    sums[k] = _mm512_dpbusd_epi32(sums[k], x[k], weights);
                }
            }
            sums
        }
    }

    /// What follows the sums where the rounding's bounds do the activation.
    ///
    /// # Safety
    /// As above.
    #[inline(always)]
    unsafe fn bounded(&self, sums: [__m512i; 4], quad: usize, at: usize) -> [u8; BYTES] {
        let Sums { end, bounded, .. } = &self.sums;
        let to = bounded.expect("bounds");
        // SAFETY: as above.
        unsafe {
            let [factors, bias] = &self.endings[quad];
            let (factors, bias) = (floats(factors), floats(bias));
            // Loops, not `map`: closures would be compiled for the oldest processor.
            let mut values = [_mm512_setzero_ps(); 4];
            for k in 0..4 {
                let value = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[k]), factors);
                values[k] = _mm512_add_ps(value, bias);
            }
            if let Some(add) = &end.add {
                let (zero, scale) = (
                    _mm512_set1_epi32(i32::from(add.rounding.zero)),
                    _mm512_set1_ps(add.rounding.scale),
                );
                let none = _mm512_setzero_si512();
                let x = unpacked(load(bytes(&add.words[at..])), none, none, none);
                for k in 0..4 {
                    let steps = _mm512_cvtepi32_ps(_mm512_sub_epi32(x[k], zero));
                    values[k] = _mm512_add_ps(values[k], _mm512_mul_ps(scale, steps));
                }
            }
            let mut q = [_mm512_setzero_si512(); 4];
            for k in 0..4 {
                let steps = _mm512_mul_ps(values[k], _mm512_set1_ps(to.inverse));
                let steps = _mm512_max_ps(steps, _mm512_set1_ps(to.low));
                let steps = _mm512_min_ps(steps, _mm512_set1_ps(to.high));
                let bits = _mm512_castps_si512(_mm512_add_ps(steps, _mm512_set1_ps(TO_INTEGER)));
                q[k] = _mm512_sub_epi32(bits, _mm512_set1_epi32(to.offset as i32));
            }
            let words =
                _mm512_packus_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
            let mut all = [0; BYTES];
            _mm512_storeu_si512(all.as_mut_ptr().cast(), words);
            all
        }
    }
}

impl Each for VnniSums<'_> {
    #[inline(always)]
    fn bytes(&self, plane: Plane, window: usize, read: Read) -> [u8; BYTES] {
        // SAFETY: `Depthwise::new` was told that the instructions are there, and `run` enables them.
        unsafe {
            let sums = self.sums(plane.quad, read);
            if self.sums.bounded.is_some() {
                return self.bounded(sums, plane.quad, self.sums.at(plane, window));
            }
            let mut registers = [[0; LANES]; 4];
            for (to, sums) in registers.iter_mut().zip(sums) {
                _mm512_storeu_si512(to.as_mut_ptr().cast(), sums);
            }
            let mut all = [0; BYTES];
            for (i, sum) in all.iter_mut().enumerate() {
                let (word, channel) = (i / 4, i % 4);
                *sum = registers[word % 4][word / 4 * 4 + channel];
            }
            self.sums.finished(plane, window, &all)
        }
    }

    fn run(operands: Operands<Self>) {
        // SAFETY: as above.
        unsafe { run(operands) };
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
fn run(operands: Operands<VnniSums>) {
    run_each(operands);
}

/// Four registers whose 32 bits are a byte of each of `a` to `d`, in the order of [`VnniSums`].
#[inline(always)]
unsafe fn unpacked(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    // SAFETY: the caller has the instructions.
    unsafe {
        let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
        let (high_ab, high_cd) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
        [
            _mm512_unpacklo_epi16(ab, cd),
            _mm512_unpackhi_epi16(ab, cd),
            _mm512_unpacklo_epi16(high_ab, high_cd),
            _mm512_unpackhi_epi16(high_ab, high_cd),
        ]
    }
}

#[inline(always)]
unsafe fn load(x: &[u8; BYTES]) -> __m512i {
    // SAFETY: the caller has the instructions; as many bytes.
    unsafe { _mm512_loadu_si512(x.as_ptr().cast()) }
}

/// Four integers, four times.
#[inline(always)]
unsafe fn four(at: *const i32) -> __m512i {
    // SAFETY: the caller has the instructions, and four integers there.
    unsafe { _mm512_broadcast_i32x4(_mm_castps_si128(_mm_loadu_ps(at.cast()))) }
}

/// Four floats, four times.
#[inline(always)]
unsafe fn floats(all: &[f32; 4]) -> __m512 {
    // SAFETY: the caller has the instructions.
    unsafe { _mm512_broadcast_f32x4(_mm_loadu_ps(all.as_ptr())) }
}
