//! Asking for memory that is read soon.
#![allow(unsafe_code, reason = "an instruction")]

/// Fetches the cache line of `at`, which may be any address. The processor does so by itself for long sequential
/// reads, but not for short pieces of channels that lie pages apart.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program could see, and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
