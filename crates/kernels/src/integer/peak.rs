//! How many products of bytes the machine can add at most: what kernels are measured against.
#![allow(unsafe_code, reason = "instructions are called where the machine has them")]

use super::Instructions;
#[cfg(target_arch = "aarch64")]
use super::dot::Neon;
#[cfg(target_arch = "x86_64")]
use super::dot::{Avx2, Vnni256, Vnni512};
use super::dot::{Dot, Scalar};
use crate::peak::{CHAINS, fastest};

/// Multiply-adds of bytes a second of `instructions` with all operands in registers, on all threads; the best of
/// `runs` runs of some milliseconds each.
///
/// # Panics
/// If the machine has not these instructions.
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
                Instructions::Scalar => chains::<Scalar>(steps / 16),
                #[allow(unreachable_patterns, reason = "of another processor")]
                _ => unreachable!("available"),
            }
        }
    })
}

/// `steps` times two words of products for each of [`CHAINS`] sums that do not wait for each other; gives the number
/// of multiply-adds.
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(steps: usize) -> f64 {
    // SAFETY: of a caller that has them.
    unsafe { chains::<Avx2>(steps) }
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
    fn every_kind_of_instructions_has_a_peak_above_the_next() {
        let all = Instructions::available();
        let peaks: Vec<f64> = all.iter().map(|own| multiply_adds(*own, 2)).collect();
        // One thread of a busy machine may be slow, but not ten times; and the scalar ones are far below.
        assert!(peaks.iter().all(|peak| *peak > 1e8), "{all:?}: {peaks:?}");
        assert!(peaks[0] >= *peaks.last().expect("scalar ones"), "{all:?}: {peaks:?}");
    }
}
