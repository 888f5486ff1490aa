//! Threads that do not go to sleep while few images are computed.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{hint, thread};

/// How long a thread looks for work in vain before it may sleep.
const PATIENCE: Duration = Duration::from_millis(1);
/// Looks in vain after which a thread lets others have its core each time.
const EAGER: u32 = 100;

thread_local! {
    /// Whether this thread computes an image.
    static COMPUTES: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f`, which computes an image. It must run on a thread of the pool.
pub(crate) fn computing<T>(f: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            COMPUTES.set(self.0);
        }
    }
    let _reset = Reset(COMPUTES.replace(true));
    f()
}

/// Calls `f`, on a thread of the pool. Meanwhile the pool's other threads look for work without going to
/// sleep: the layers of a single image take some tens of microseconds each, and waking a thread takes as
/// long. Nobody waits for these threads: one that comes late finds that `f` has ended.
pub(crate) fn with<T>(f: impl FnOnce() -> T) -> T {
    struct End(Arc<AtomicBool>);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let end = End(Arc::default());
    let ended = end.0.clone();
    rayon::spawn_broadcast(move |_| look(&ended));
    computing(f)
}

/// Runs what the pool has to do, until `ended` or until there has been nothing for too long.
fn look(ended: &AtomicBool) {
    // Whoever waits for a part of an image has that to come back to.
    if COMPUTES.get() {
        return;
    }
    let (mut last, mut vain) = (Instant::now(), 0);
    while !ended.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            (last, vain) = (Instant::now(), 0);
            continue;
        }
        if last.elapsed() > PATIENCE {
            return;
        }
        vain += 1;
        if vain < EAGER { hint::spin_loop() } else { thread::yield_now() }
    }
}
