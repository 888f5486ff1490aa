//! Products of four rows and three registers of columns with AVX2, in assembly.
//!
//! Twelve accumulators and three operands leave one of sixteen registers for the factors. The compiler
//! loads a factor before it is done with the previous one, and spills accumulators to make room for it,
//! which is far slower (docs/performance.md).
#![allow(unsafe_code, reason = "assembly")]

use std::arch::asm;
use std::arch::x86_64::__m256;

use super::micro::{AHEAD, ROWS, Steps};

/// Rows and registers of a row.
pub(super) const SHAPE: (usize, usize) = (4, 3);
/// A register for each row and column.
pub(super) type Sums = [[__m256; SHAPE.1]; SHAPE.0];

/// One step: where its tap stands, and its four factors.
macro_rules! step {
    ($tap:literal $a0:literal $a1:literal $a2:literal $a3:literal) => {
        concat!(
            "mov {tap:e}, dword ptr [{taps} + ",
            $tap,
            "]\n",
            "vmovups {b0}, ymmword ptr [{x0} + 4 * {tap}]\n",
            "vmovups {b1}, ymmword ptr [{x1} + 4 * {tap}]\n",
            "vmovups {b2}, ymmword ptr [{x2} + 4 * {tap}]\n",
            "vbroadcastss {a}, dword ptr [{factors} + ",
            $a0,
            "]\n",
            "vfmadd231ps {r00}, {a}, {b0}\n",
            "vfmadd231ps {r01}, {a}, {b1}\n",
            "vfmadd231ps {r02}, {a}, {b2}\n",
            "vbroadcastss {a}, dword ptr [{factors} + ",
            $a1,
            "]\n",
            "vfmadd231ps {r10}, {a}, {b0}\n",
            "vfmadd231ps {r11}, {a}, {b1}\n",
            "vfmadd231ps {r12}, {a}, {b2}\n",
            "vbroadcastss {a}, dword ptr [{factors} + ",
            $a2,
            "]\n",
            "vfmadd231ps {r20}, {a}, {b0}\n",
            "vfmadd231ps {r21}, {a}, {b1}\n",
            "vfmadd231ps {r22}, {a}, {b2}\n",
            "vbroadcastss {a}, dword ptr [{factors} + ",
            $a3,
            "]\n",
            "vfmadd231ps {r30}, {a}, {b0}\n",
            "vfmadd231ps {r31}, {a}, {b1}\n",
            "vfmadd231ps {r32}, {a}, {b2}",
        )
    };
}

/// `sums[r][c] += sum over k of a[8 * k + first + r] * x[c][taps[k]..]`.
///
/// Unrolled four times: where a second thread on the core takes half of its issue slots, every instruction
/// that is not a multiply-add counts.
///
/// # Safety
/// The processor must have AVX2 and FMA, and every read of `a`, `taps` and `x` must be in range.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn add_products(
    (first, steps): (usize, Steps),
    x: [*const f32; 3],
    sums: &mut Sums,
) {
    const { assert!(ROWS == 8, "the factors of a step are 32 bytes") };
    let [mut r0, mut r1, mut r2, mut r3] = *sums;
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "test {fours}, {fours}",
            "jz 3f",
            "2:",
            // Two lines of weights, as far ahead as `micro::AHEAD`.
            "prefetcht0 [{factors} + {ahead}]",
            "prefetcht0 [{factors} + {ahead} + 64]",
            step!(0 0 4 8 12),
            step!(4 32 36 40 44),
            step!(8 64 68 72 76),
            step!(12 96 100 104 108),
            "add {taps}, 16",
            "add {factors}, 128",
            "dec {fours}",
            "jnz 2b",
            "3:",
            "test {rest}, {rest}",
            "jz 5f",
            "4:",
            step!(0 0 4 8 12),
            "add {taps}, 4",
            "add {factors}, 32",
            "dec {rest}",
            "jnz 4b",
            "5:",
            taps = inout(reg) steps.taps => _,
            factors = inout(reg) steps.a.add(first) => _,
            fours = inout(reg) steps.len / 4 => _,
            rest = inout(reg) steps.len % 4 => _,
            x0 = in(reg) x[0],
            x1 = in(reg) x[1],
            x2 = in(reg) x[2],
            tap = out(reg) _,
            ahead = const AHEAD * size_of::<f32>(),
            a = out(ymm_reg) _,
            b0 = out(ymm_reg) _,
            b1 = out(ymm_reg) _,
            b2 = out(ymm_reg) _,
            r00 = inout(ymm_reg) r0[0],
            r01 = inout(ymm_reg) r0[1],
            r02 = inout(ymm_reg) r0[2],
            r10 = inout(ymm_reg) r1[0],
            r11 = inout(ymm_reg) r1[1],
            r12 = inout(ymm_reg) r1[2],
            r20 = inout(ymm_reg) r2[0],
            r21 = inout(ymm_reg) r2[1],
            r22 = inout(ymm_reg) r2[2],
            r30 = inout(ymm_reg) r3[0],
            r31 = inout(ymm_reg) r3[1],
            r32 = inout(ymm_reg) r3[2],
            options(nostack, readonly),
        );
    }
    *sums = [r0, r1, r2, r3];
}
