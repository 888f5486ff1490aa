//! What can go wrong, by who has to act; each class is one exit code of every binary.

use std::io;
use std::path::Path;

/// A failure: what was found, where, what was expected and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting, manifest, plan or data file says something invalid. Exit code 3.
    #[error("{0}")]
    Config(String),
    /// An input does not exist or cannot be read. Exit code 4.
    #[error("{0}")]
    Missing(String),
    /// A file is not what its digest, header or table says. Exit code 5.
    #[error("{0}")]
    Integrity(String),
    /// The disk, the memory or a device does not suffice. Exit code 6.
    #[error("{0}")]
    Resource(String),
    /// Training left the finite numbers; the last good checkpoint is intact. Exit code 7.
    #[error("{0}")]
    Diverged(String),
    /// Another process works on the same output. Exit code 8.
    #[error("{0}")]
    Locked(String),
    /// Stopped on request after a good checkpoint. Exit code 75.
    #[error("{0}")]
    Interrupted(String),
}

/// ENFILE and EMFILE: the system, or this process, has too many open files. Unix numbers them alike
/// everywhere, and `io::ErrorKind` has no stable name for them.
const OUT_OF_FILES: [i32; 2] = [23, 24];

/// Shorthand of this crate and of those above it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The documented exit code of this class of failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 3,
            Self::Missing(_) => 4,
            Self::Integrity(_) => 5,
            Self::Resource(_) => 6,
            Self::Diverged(_) => 7,
            Self::Locked(_) => 8,
            Self::Interrupted(_) => 75,
        }
    }

    /// `path` could not be read: it does not exist, or the machine is short of something.
    pub fn read(path: &Path, error: &io::Error) -> Self {
        let what = format!("{}: cannot be read: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(format!("{}: no such file", path.display())),
            io::ErrorKind::OutOfMemory => Self::Resource(what),
            _ if error.raw_os_error().is_some_and(|code| OUT_OF_FILES.contains(&code)) => {
                Self::Resource(format!("{what}; raise the limit on open files (ulimit -n)"))
            }
            _ => Self::Missing(what),
        }
    }

    /// `path` could not be written.
    pub fn write(path: &Path, error: &io::Error) -> Self {
        Self::Resource(format!("{}: cannot be written: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_missing_unless_the_machine_is_short_of_something() {
        let code =
            |raw: i32| Error::read(Path::new("f"), &io::Error::from_raw_os_error(raw)).exit_code();
        let (enoent, eio, enomem, enfile, emfile) = (2, 5, 12, 23, 24);
        assert_eq!([enoent, eio].map(code), [4, 4]);
        assert_eq!([enomem, enfile, emfile].map(code), [6, 6, 6]);
    }
}
