//! stdout is data: text or JSON, and a closed pipe is a normal end. stderr is for people.
//!
//! Names of files and classes come from anywhere: whatever is printed goes through [`printable_lines`], so
//! that none of them steers a terminal.

use std::io::{self, Write};

use artifact::printable_lines;
use serde::Serialize;

/// Writes `text` and a newline to stdout.
///
/// Where the reader has gone (`| head`) the process ends with 0, as Unix tools do.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", printable_lines(text)).and_then(|()| out.flush()) {
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
    let _ = writeln!(io::stderr(), "{}", printable_lines(text));
}

/// stderr as the log writes to it: each line is [`printable_lines`].
pub(crate) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(printable_lines(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Writes `value` as indented JSON to stdout.
///
/// # Panics
/// If `value` cannot be JSON: our records can.
pub fn print_json<T: Serialize>(value: &T) {
    print(&serde_json::to_string_pretty(value).expect("records are plain maps, lists and numbers"));
}
