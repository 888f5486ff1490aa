//! stdout is data: text or JSON, and a closed pipe is a normal end.

use std::io::{self, Write as _};

use serde::Serialize;

/// Writes `text` and a newline to stdout.
///
/// Where the reader has gone (`| head`) the process ends with 0, as Unix tools do.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(e) => {
            tell(&format!("error: stdout cannot be written: {e}"));
            std::process::exit(6);
        }
    }
}

/// Writes `text` and a newline to stderr; that nobody listens there ends no work.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes `value` as indented JSON to stdout.
///
/// # Panics
/// If `value` cannot be JSON: our records can.
pub fn print_json<T: Serialize>(value: &T) {
    print(&serde_json::to_string_pretty(value).expect("records are plain maps, lists and numbers"));
}
