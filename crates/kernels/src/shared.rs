//! A mutable slice that several threads write disjoint parts of.
#![allow(unsafe_code, reason = "strided parts of one output cannot be split safely")]

use std::marker::PhantomData;

/// A slice whose parts are handed out to threads.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: the pointer comes from an exclusive borrow that outlives `'a`, and `part` obliges its
// callers to touch disjoint ranges only.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as for Send; `Shared` itself has no interior state.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// `len` values from `start`.
    ///
    /// # Safety
    /// No other part in use at the same time may overlap this one.
    ///
    /// # Panics
    /// If the range lies outside the slice.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "part out of range");
        // SAFETY: in range by the assertion, unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// A pointer to `start`, from which `len` values lie inside the slice.
    ///
    /// Writing through it is the caller's duty: no element may be touched by two threads.
    ///
    /// # Panics
    /// If the range lies outside the slice.
    pub(crate) fn pointer(&self, start: usize, len: usize) -> *mut T {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "part out of range");
        self.start.wrapping_add(start)
    }
}
