//! Ctrl-C and SIGTERM: the first asks for a good stop, the second ends at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use artifact::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// The exit code after a good checkpoint.
const INTERRUPTED: i32 = 75;

pub(crate) fn install() -> Result<(), Error> {
    let asked = ASKED.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM] {
        // Order matters: a second signal finds the flag set and ends the process.
        flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(asked))
            .and_then(|_| flag::register(signal, Arc::clone(asked)))
            .map_err(|e| Error::Resource(format!("signal {signal} cannot be handled: {e}")))?;
    }
    Ok(())
}

/// Whether a stop was asked for. Long loops look at it once a step.
pub fn asked() -> bool {
    ASKED.get().is_some_and(|a| a.load(Ordering::Relaxed))
}
