//! Keeps the pool's threads awake while few images are computed.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{hint, thread};

/// How long a thread spins without finding work before it may sleep.
const SPIN_TIME: Duration = Duration::from_millis(1);
/// Failed looks for work in a row after which a thread yields its core at every further one.
const SPINS: u32 = 100;

thread_local! {
    /// Whether this thread is computing an image, or spins already.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f`, which computes an image, on this thread of the pool.
pub(crate) fn computing<T>(f: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            BUSY.set(self.0);
        }
    }
    let _reset = Reset(BUSY.replace(true));
    f()
}

/// Calls `f` on this thread of the pool. Meanwhile the pool's other threads spin for work instead of
/// sleeping: the layers of a single image take some tens of microseconds each, as long as waking a thread.
/// `f` does not wait for these threads to stop: one that comes late finds that `f` has ended.
pub(crate) fn with<T>(f: impl FnOnce() -> T) -> T {
    struct End(Arc<AtomicBool>);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let end = End(Arc::default());
    let ended = end.0.clone();
    rayon::spawn_broadcast(move |_| spin(&ended));
    computing(f)
}

/// Runs the pool's jobs until `ended`, or until there have been none for [`SPIN_TIME`].
fn spin(ended: &AtomicBool) {
    // A thread that is waiting for part of an image must return to that, not spin here.
    if BUSY.get() {
        return;
    }
    computing(|| {
        let (mut last_job, mut misses) = (Instant::now(), 0);
        while !ended.load(Ordering::Acquire) {
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                (last_job, misses) = (Instant::now(), 0);
                continue;
            }
            if last_job.elapsed() > SPIN_TIME {
                return;
            }
            misses += 1;
            if misses < SPINS { hint::spin_loop() } else { thread::yield_now() }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn pool() -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads")
    }

    #[test]
    fn a_panic_leaves_no_thread_busy() {
        let pool = pool();
        let panicked = pool.install(|| catch_unwind(|| with(|| panic!("in a layer"))));
        assert!(panicked.is_err());
        assert_eq!(pool.broadcast(|_| BUSY.get()), [false, false]);
    }

    /// Without [`with`]'s end the other thread would spin until it has had enough.
    #[test]
    fn spinning_ends_at_once() {
        let ended = AtomicBool::new(true);
        let start = Instant::now();
        (0..1000).for_each(|_| spin(&ended));
        assert!(start.elapsed() < 1000 * SPIN_TIME, "each took {:?}", start.elapsed() / 1000);
        ended.store(false, Ordering::Release);
        let start = Instant::now();
        computing(|| spin(&ended));
        assert!(start.elapsed() < SPIN_TIME, "a busy thread spun");
    }
}
