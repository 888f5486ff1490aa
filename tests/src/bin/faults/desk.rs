//! A folder in which trials are made, one after the other.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::path::{Path, PathBuf};

use artifact::file;

/// A private copy of what the stages read; the rest of the folder is swept before each trial.
pub struct Desk {
    /// The folder.
    pub folder: PathBuf,
    inputs: Vec<String>,
}

impl Desk {
    /// A copy of `inputs` in the new `folder`.
    pub fn new(inputs: &Path, folder: PathBuf) -> Self {
        copy(inputs, &folder);
        let inputs = names(&folder);
        Self { folder, inputs }
    }

    /// `name` on the desk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Takes away whatever is no input.
    pub fn sweep(&self) {
        for name in self.left() {
            remove(&self.path(&name));
        }
    }

    /// What lies here beside the inputs.
    pub fn left(&self) -> Vec<String> {
        names(&self.folder).into_iter().filter(|n| !self.inputs.contains(n)).collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Copies a file, or a folder with all below it.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::copy(from, to).expect("a plain file on a disk with room");
        return;
    }
    file::make_folder(to).expect("makes the folder");
    for name in names(from) {
        copy(&from.join(&name), &to.join(&name));
    }
}

/// Removes a file, or a folder with all below it, if it is there.
pub fn remove(path: &Path) {
    let gone = if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    assert!(gone.is_ok() || !path.exists(), "{}: {gone:?}", path.display());
}
