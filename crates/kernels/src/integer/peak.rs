//! How many products of bytes the machine can add at most: what kernels are measured against.
#![allow(unsafe_code, reason = "instructions are called where the machine has them")]

use super::Instructions;
#[cfg(target_arch = "aarch64")]
use super::dot::Neon;
use super::dot::{Dot, Scalar};
#[cfg(target_arch = "x86_64")]
use super::dot::{Vnni256, Vnni512};
use crate::peak::{CHAINS, fastest};

/// Multiply-adds of bytes a second of `instructions` with all operands in registers, on all threads; the best of
/// `runs` runs of some milliseconds each.
///
/// # Panics
/// If the machine lacks these instructions.
pub fn multiply_adds(instructions: Instructions, runs: usize) -> f64 {
    assert!(Instructions::available().contains(&instructions), "{instructions:?}");
    fastest(runs, |steps| {
        // SAFETY: checked above.
        unsafe {
            match instructions {
                #[cfg(target_arch = "x86_64")]
                Instructions::Amx => super::matrix::multiply_adds(steps / 4),
                #[cfg(target_arch = "x86_64")]
                Instructions::Vnni512 => vnni512(steps),
                #[cfg(target_arch = "x86_64")]
                Instructions::Vnni256 => vnni256(steps),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => avx2(steps),
                #[cfg(target_arch = "aarch64")]
                Instructions::Neon => neon(steps),
                Instructions::Scalar => scalar(steps / 16),
                #[allow(unreachable_patterns, reason = "of another processor")]
                _ => unreachable!("available"),
            }
        }
    })
}

/// `steps` times two words of products for each of [`CHAINS`] sums that do not wait for each other; gives the number
/// of multiply-adds. For instructions that add to a sum what they multiply: of others the compiler would multiply
/// once.
///
/// # Safety
/// The instructions must be there.
#[inline(always)]
unsafe fn chains<D: Dot>(steps: usize) -> f64 {
    let (x, w) = std::hint::black_box((0x0101_0101, 0x0102_0304));
    // SAFETY: the caller's promise.
    unsafe {
        let (aid, x, w) = (D::aid(), D::weights(x), D::weights(w));
        let mut chains = [D::splat(0); CHAINS];
        for _ in 0..steps {
            for sums in &mut chains {
                *sums = D::add_both(aid, *sums, [x; 2], [w; 2]);
            }
        }
        std::hint::black_box(chains);
    }
    (steps * CHAINS * D::LANES * 8) as f64
}

/// As [`chains`] of one lane, each product of operands that the compiler does not know.
fn scalar(steps: usize) -> f64 {
    let mut sums = [0; CHAINS];
    for _ in 0..steps {
        for sum in &mut sums {
            let (x, w) = std::hint::black_box((0x0101_0101, 0x0102_0304));
            // SAFETY: no instructions that a machine could lack.
            *sum = unsafe { Scalar::add_both((), *sum, [x; 2], [w; 2]) };
        }
    }
    std::hint::black_box(sums);
    (steps * CHAINS * 8) as f64
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn vnni512(steps: usize) -> f64 {
    // SAFETY: of a caller that has them.
    unsafe { chains::<Vnni512>(steps) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn vnni256(steps: usize) -> f64 {
    // SAFETY: of a caller that has them.
    unsafe { chains::<Vnni256>(steps) }
}

/// As [`chains`], of what [`Dot::add_both`] is with these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(steps: usize) -> f64 {
    use std::arch::x86_64::{_mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256};
    let (x, w, ones) = (_mm256_set1_epi8(1), _mm256_set1_epi8(2), _mm256_set1_epi16(1));
    // Eight lanes of eight products; other registers than sums are renamed, so that none waits for them.
    let zero = _mm256_setzero_si256();
    // SAFETY: instructions that are there, on registers alone.
    unsafe {
        std::arch::asm!(
            "2:",
            "vpmaddubsw {t}, {x}, {w}", "vpmaddubsw {u}, {x}, {w}", "vpaddw {t}, {t}, {u}",
            "vpmaddwd {t}, {t}, {ones}", "vpaddd {a}, {a}, {t}",
            "vpmaddubsw {t}, {x}, {w}", "vpmaddubsw {u}, {x}, {w}", "vpaddw {t}, {t}, {u}",
            "vpmaddwd {t}, {t}, {ones}", "vpaddd {b}, {b}, {t}",
            "vpmaddubsw {t}, {x}, {w}", "vpmaddubsw {u}, {x}, {w}", "vpaddw {t}, {t}, {u}",
            "vpmaddwd {t}, {t}, {ones}", "vpaddd {c}, {c}, {t}",
            "vpmaddubsw {t}, {x}, {w}", "vpmaddubsw {u}, {x}, {w}", "vpaddw {t}, {t}, {u}",
            "vpmaddwd {t}, {t}, {ones}", "vpaddd {d}, {d}, {t}",
            "dec {steps}",
            "jnz 2b",
            steps = inout(reg) steps.max(1) => _,
            x = in(ymm_reg) x, w = in(ymm_reg) w, ones = in(ymm_reg) ones,
            t = out(ymm_reg) _, u = out(ymm_reg) _,
            a = inout(ymm_reg) zero => _, b = inout(ymm_reg) zero => _,
            c = inout(ymm_reg) zero => _, d = inout(ymm_reg) zero => _,
            options(nostack, nomem)
        );
    }
    (steps.max(1) * 4 * 8 * 8) as f64
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
unsafe fn neon(steps: usize) -> f64 {
    // SAFETY: of a caller that has them.
    unsafe { chains::<Neon>(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_faster_than_one_lane() {
        let peaks: Vec<_> =
            Instructions::available().into_iter().map(|own| (own, multiply_adds(own, 3))).collect();
        let (_, scalar) = *peaks.last().expect("one lane is always there");
        assert!((1e7..1e11).contains(&scalar), "{peaks:?}");
        // At least four lanes each, which others on this machine may slow down.
        let others = || peaks.iter().rev().skip(1);
        assert!(others().all(|(_, peak)| *peak > 2.0 * scalar), "{peaks:?}");
        // No instructions multiply more bytes than a thousand in a cycle of a processor of ten gigahertz.
        let threads = rayon::current_num_threads() as f64;
        assert!(others().all(|(_, peak)| *peak < 1e13 * threads), "{peaks:?}");
    }
}
