//! The library that makes calls fail, compiled by the C compiler when the run begins.

use std::path::{Path, PathBuf};
use std::process::Command;

use artifact::file;

/// A set of calls in which one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// Calls that change the disk.
    Change,
    /// Calls that look at it.
    Look,
    /// Calls that start a thread.
    Thread,
}

/// A call that the library saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its set.
    pub set: Set,
    /// `write`, `rename` and so on.
    pub kind: String,
    /// The file it was about.
    pub path: String,
}

impl Set {
    /// As the library knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Look => "look",
            Self::Thread => "thread",
        }
    }
}

/// Compiles the library into `folder`.
pub fn compile(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    file::write(&source, include_bytes!("shim.c")).expect("the folder can be written");
    let made = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-O1", "-shared", "-fPIC", "-pthread", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(made.is_ok_and(|s| s.success()), "a C compiler (cc, or $CC) is needed");
    library
}

/// What the log at `path` holds: the calls in order, and the bytes that were written.
pub fn log(path: &Path) -> (Vec<Call>, u64) {
    let text = String::from_utf8_lossy(&file::read(path).unwrap_or_default()).into_owned();
    let (mut calls, mut bytes) = (vec![], 0);
    for line in text.lines() {
        let mut parts = line.splitn(3, '\t');
        let (set, kind) = (parts.next(), parts.next().unwrap_or_default().to_owned());
        let path = parts.next().unwrap_or_default().to_owned();
        let set = match set {
            Some("change") => Set::Change,
            Some("look") => Set::Look,
            Some("thread") => Set::Thread,
            _ => {
                bytes += kind.parse::<u64>().unwrap_or(0);
                continue;
            }
        };
        calls.push(Call { set, kind, path });
    }
    (calls, bytes)
}
