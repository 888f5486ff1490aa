//! stdout is data: text or JSON, and a closed pipe is a normal end. stderr is for people.
//!
//! Names of files and classes come from anywhere: whatever is printed goes through [`printable`], so
//! that none of them steers a terminal.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

/// Writes `text` and a newline to stdout.
///
/// Where the reader has gone (`| head`) the process ends with 0, as Unix tools do.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", printable(text)).and_then(|()| out.flush()) {
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
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// `text` with control characters as escapes; line ends and tabs stay.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if steers(c) {
            shown.extend(c.escape_debug())
        } else {
            shown.push(c)
        }
        shown
    });
    Cow::Owned(shown)
}

/// stderr as the log writes to it: each line is [`printable`].
pub(crate) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(printable(&String::from_utf8_lossy(line)).as_bytes())?;
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

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn names_do_not_steer_a_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(printable(text), expected);
        check("a plain line\n\twith é and 猫", "a plain line\n\twith é and 猫");
        check("red \u{1b}[31m alert", "red \\u{1b}[31m alert");
        check("a\rb\u{7}\u{9b}2J", "a\\rb\\u{7}\\u{9b}2J");
    }
}
