//! Threads that do not go to sleep while one image is computed.

use std::cell::Cell;
use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a thread looks for work in vain before it may sleep. It bounds what a thread can lose here:
/// what it interrupted by looking may be what others wait for.
const PATIENCE: Duration = Duration::from_millis(1);

thread_local! {
    /// Whether this thread runs [`with`]'s function.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f` on a thread of the pool and returns what it returns. Meanwhile the pool's other threads look
/// for its parts without going to sleep: the layers of a single image take some tens of microseconds
/// each, and waking a thread takes as long.
pub(crate) fn with<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let done = &AtomicBool::new(false);
    rayon::scope(|scope| {
        let _end = End { done, ran: RUNS.replace(true) };
        scope.spawn_broadcast(move |_, _| look(done));
        f()
    })
}

/// Ends the search, whether the function returned or panicked.
struct End<'a> {
    done: &'a AtomicBool,
    ran: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        RUNS.set(self.ran);
    }
}

/// Runs what the pool has to do, until `done` or until there has been nothing for too long.
fn look(done: &AtomicBool) {
    // A thread that runs an image itself has work.
    if RUNS.get() {
        return;
    }
    let mut last = Instant::now();
    while !done.load(Ordering::Acquire) {
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => last = Instant::now(),
            _ if last.elapsed() > PATIENCE => return,
            _ => hint::spin_loop(),
        }
    }
}
