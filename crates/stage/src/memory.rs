//! Memory: what is left of it, and what happens where it does not suffice.
#![allow(unsafe_code, reason = "a global allocator is an unsafe interface")]

use std::alloc::{GlobalAlloc, Layout};
use std::io::{self, Write as _};
use std::path::Path;

use artifact::file;
use mimalloc::MiMalloc;

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

/// Bytes that this process may still take: the least of what the machine has available, its limit on
/// address space (`ulimit -v`) and its control group's. `None` where nothing of that is known.
pub fn available() -> Option<u64> {
    [machine(), address_space(), control_group()].into_iter().flatten().min()
}

fn machine() -> Option<u64> {
    kib(&read("/proc/meminfo")?, "MemAvailable:")
}

fn address_space() -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let soft = limits.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    let limit: u64 = soft.split_whitespace().next()?.parse().ok()?;
    // Not VmSize: the allocator reserves more than it uses.
    Some(limit.saturating_sub(kib(&read("/proc/self/status")?, "VmRSS:")?))
}

fn control_group() -> Option<u64> {
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let most = number("/sys/fs/cgroup/memory.max")?;
    // What is kept of files counts as used, and is given up when memory is wanted.
    let stat = read("/sys/fs/cgroup/memory.stat")?;
    let cached = |name: &str| -> Option<u64> {
        stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    let given_up = cached("inactive_file ")? + cached("active_file ")?;
    let used = number("/sys/fs/cgroup/memory.current")?.saturating_sub(given_up);
    Some(most.saturating_sub(used))
}

fn read(path: &str) -> Option<String> {
    file::read_text(Path::new(path)).ok()
}

/// The number behind `name` in `text`, given there in KiB, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(rest.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_less_than_the_machine_has() {
        let total = read("/proc/meminfo").and_then(|text| kib(&text, "MemTotal:"));
        let (Some(available), Some(total)) = (available(), total) else { return };
        assert!((1..=total).contains(&available), "{available} of {total}");
    }
}
