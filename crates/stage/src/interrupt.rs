//! Signals. Ctrl-C and SIGTERM: the first asks for a good stop, the second ends at once. SIGXFSZ, sent
//! where a file would outgrow the limit on file sizes: caught, so that the write fails as on a full disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use artifact::Error;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The exit code after a good checkpoint.
const INTERRUPTED: i32 = 75;

pub(crate) fn install() -> Result<(), Error> {
    let asked = ASKED.get_or_init(|| Arc::new(AtomicBool::new(false)));
    let cannot = |signal, e| Error::Resource(format!("signal {signal} cannot be handled: {e}"));
    for signal in [SIGINT, SIGTERM] {
        // Order matters: a second signal finds the flag set and ends the process.
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(asked))
            .and_then(|_| flag::register(signal, Arc::clone(asked)))
            .map_err(|e| cannot(signal, e))?;
    }
    let nobody_reads = Arc::new(AtomicBool::new(false));
    flag::register(SIGXFSZ, nobody_reads).map_err(|e| cannot(SIGXFSZ, e))?;
    Ok(())
}

/// Whether a stop was asked for. Long loops look at it once a step.
pub fn asked() -> bool {
    ASKED.get().is_some_and(|a| a.load(Ordering::Relaxed))
}
