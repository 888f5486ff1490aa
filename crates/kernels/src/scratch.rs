//! Buffers that are used again: kernels need room of changing sizes at every call, and fresh
//! memory costs a page fault each 4 KiB.
#![allow(unsafe_code, reason = "cache lines are handed out as the values that they hold")]

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// Sixteen values at a cache line's start, so that no vector straddles two lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Cache-aligned values of unknown content, given back when dropped.
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

/// Buffers that nobody uses at present.
static FREE: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());
/// Buffers kept for later.
const KEPT: usize = 16;
/// A reused buffer is at most this many times as long as needed.
const WASTE: usize = 4;
/// Up to this many lines (64 KiB) a buffer is reused for anything shorter.
const SMALL: usize = 1 << 10;

impl Buffer {
    /// Room for `len` values, which hold anything.
    pub fn new(len: usize) -> Self {
        let needed = len.div_ceil(16);
        let mut free = FREE.lock().expect("no panic while held");
        // A large buffer is not used for a small one: whoever needs a large one next would have to allocate it.
        let most = needed.saturating_mul(WASTE).max(SMALL);
        let best = (0..free.len())
            .filter(|&i| (needed..=most).contains(&free[i].len()))
            .min_by_key(|&i| free[i].len());
        let found = best.map(|i| free.swap_remove(i));
        drop(free);
        Self { lines: found.unwrap_or_else(|| vec![Line([0.0; 16]); needed]), len }
    }

    /// What it holds as words of as many bits.
    pub fn words(&self) -> &[u32] {
        // SAFETY: of the same size and alignment, and any bits are a value of either.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }

    /// As [`Self::words`].
    pub fn words_mut(&mut self) -> &mut [u32] {
        words(self)
    }

    /// Room for `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let mut buffer = Self::new(len);
        buffer.fill(0.0);
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let mut free = FREE.lock().expect("no panic while held");
        if free.len() < KEPT {
            free.push(lines);
        } else if let Some(least) = free.iter_mut().min_by_key(|kept| kept.len())
            && least.len() < lines.len()
        {
            // The largest are kept: they take longest to allocate.
            *least = lines;
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` initialised values, without gaps between lines.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// Runs `f` with `len` values of unknown content that belong to this thread.
///
/// `f` must not wait for other tasks: the thread could take up one that asks for the same room.
pub(crate) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static OWN: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    }
    OWN.with_borrow_mut(|lines| {
        if lines.len() < len.div_ceil(16) {
            *lines = vec![Line([0.0; 16]); len.div_ceil(16)];
        }
        // SAFETY: `lines` holds at least `len` initialised values, without gaps between lines.
        f(unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) })
    })
}

/// `values` as words of as many bits; what they hold is not kept in any sense.
pub(crate) fn words(values: &mut [f32]) -> &mut [u32] {
    // SAFETY: of the same size and alignment, and any bits are a value of either.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) }
}

/// `words` as integers with a sign.
pub(crate) fn signed(words: &mut [u32]) -> &mut [i32] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
}
