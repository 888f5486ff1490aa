//! Memory: what is left of it, and what happens where it does not suffice.
#![allow(unsafe_code, reason = "a global allocator is an unsafe interface")]

use std::alloc::{GlobalAlloc, Layout};
use std::io::{self, Write as _};

use mimalloc::MiMalloc;

pub use artifact::memory::available;

/// The allocator of every binary: mimalloc's, but where it has no more the process ends with exit
/// code 6 and a message. (Rust's own answer is SIGABRT.) Unfinished work stays as after a kill: the
/// same command goes on from there.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: every call is passed on to mimalloc as it is; what it gives is given back, or the process
// ends.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        granted(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        granted(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        granted(unsafe { MiMalloc.realloc(old, layout, size) }, size)
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { MiMalloc.dealloc(old, layout) }
    }
}

fn granted(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        exhausted(bytes);
    }
    memory
}

/// Ends the process. Nothing here allocates.
#[cold]
fn exhausted(bytes: usize) -> ! {
    let mib = bytes >> 20;
    let _ = writeln!(
        io::stderr(),
        "error: out of memory: {bytes} bytes ({mib} MiB) more were asked for; raise the memory limit of \
         this process, or give it less to hold: in training a smaller --batch, --side or network"
    );
    // SAFETY: ends the process at once; no destructor could run without memory.
    unsafe { libc::_exit(6) }
}
