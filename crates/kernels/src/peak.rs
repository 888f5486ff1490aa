//! How many operations a second the machine can do at most: what kernels are measured against.

use std::time::Instant;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::isa;

/// Multiply-adds that do not wait for each other: enough for any processor's latency, and few enough for
/// the sixteen registers of AVX2.
pub(crate) const CHAINS: usize = 12;

/// Steps of a run, which takes some milliseconds.
const STEPS: usize = 2_000_000;

/// Floating-point operations a second of fused multiply-adds in registers, on all threads; the best
/// of `runs` runs of some milliseconds each.
pub fn flops(runs: usize) -> f64 {
    fastest(runs, |steps| isa::dispatch(Chains(steps)))
}

/// The most operations a second, on all threads, of `runs` runs of `operations`, which does so many steps and
/// gives how many operations they are.
pub(crate) fn fastest(runs: usize, operations: impl Fn(usize) -> f64 + Sync) -> f64 {
    let threads = rayon::current_num_threads();
    let mut best = 0.0_f64;
    for _ in 0..runs {
        let start = Instant::now();
        let count: f64 = (0..threads).into_par_iter().map(|_| operations(STEPS)).sum();
        best = best.max(count / start.elapsed().as_secs_f64());
    }
    best
}

/// So many steps of every chain; gives the number of operations.
struct Chains(usize);

impl WithSimd for Chains {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let factor = simd.splat_f32s(std::hint::black_box(0.999));
        let mut chains = [simd.splat_f32s(1.0); CHAINS];
        for _ in 0..self.0 {
            for chain in &mut chains {
                *chain = simd.mul_add_f32s(*chain, factor, factor);
            }
        }
        std::hint::black_box(chains);
        (2 * CHAINS * S::F32_LANES * self.0) as f64
    }
}
