//! The life of an artifact's folder: begun under a hidden sibling name, committed by a rename.
#![allow(clippy::disallowed_methods, reason = "commit is a rename")]

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::manifest::{self, Manifest};
use crate::{Begun, Error, Result, Timings, file, names, yaml};

mod place;
#[cfg(test)]
mod tests;

/// An artifact in the making: a locked folder beside its final place.
///
/// Dropping it keeps the folder, so that an interrupted run can go on, unless nothing was made yet.
pub struct Staging {
    out: PathBuf,
    folder: PathBuf,
    committed: bool,
    _lock: File,
}

/// What is said of a finished artifact, beside its outputs.
pub struct Finished<'a> {
    /// The manifest, its outputs not yet described.
    pub manifest: Manifest,
    /// How long the stage took.
    pub timings: &'a Timings,
}

impl Staging {
    /// Locks the folder in which `out` is made, empty or as an interrupted run left it.
    ///
    /// With `begun.fresh` a former attempt is discarded, unless it was fresh itself and of the same
    /// settings: then it goes on. Without, a former attempt under other settings is an error.
    ///
    /// # Errors
    /// [`Error::Locked`] where another process makes it, [`Error::Config`] where an unfinished run of
    /// other settings stands there or `out` is a link to nowhere, [`Error::Resource`] where the disk
    /// refuses.
    pub fn open(out: &Path, begun: &Begun) -> Result<Self> {
        let out = file::resolved(out)?;
        let folder = file::sibling(&out, "partial");
        file::make_folder(&folder)?;
        let staging = Self { _lock: lock(&folder)?, out, folder, committed: false };
        staging.resume_or_begin(begun)?;
        Ok(staging)
    }

    /// Whether an unfinished run of just these settings stands beside `out`.
    pub fn unfinished(out: &Path, begun: &Begun) -> Result<bool> {
        let path = file::sibling(&file::resolved(out)?, "partial").join(names::RUN);
        Ok(file::exists(&path)? && begun.difference(&yaml::read_sealed(&path)?).is_none())
    }

    /// The folder to write into.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Commits: syncs `outputs`, removes all else, writes timings and manifest, renames into place.
    ///
    /// # Errors
    /// [`Error::Resource`] where the disk refuses. The old artifact then still has its name; only where
    /// it had to step aside and could not go back, the message says where it is.
    pub fn commit(mut self, finished: Finished, outputs: &[String]) -> Result<()> {
        for name in outputs {
            let path = self.folder.join(name);
            File::open(&path).and_then(|f| f.sync_all()).map_err(|e| Error::write(&path, &e))?;
        }
        finished.timings.write(&self.folder)?;
        let outputs_described = manifest::describe(&self.folder, outputs)?;
        let manifest = Manifest { outputs: outputs_described, ..finished.manifest };
        // From here on the run is done: a kill leaves what `recover` completes.
        yaml::write_sealed(&self.folder.join(names::MANIFEST), &manifest)?;
        self.put_in_place(outputs)
    }

    fn put_in_place(&mut self, outputs: &[String]) -> Result<()> {
        let own = [names::MANIFEST, names::TIMINGS, names::RUN].map(str::to_owned);
        let keep: Vec<String> = outputs.iter().cloned().chain(own).collect();
        self.keep_only(&keep)?;
        file::sync_folder(&self.folder)?;
        self.replace()?;
        self.committed = true;
        Ok(())
    }

    fn resume_or_begin(&self, begun: &Begun) -> Result<()> {
        let path = self.folder.join(names::RUN);
        if file::exists(&path)? {
            let before = yaml::read_sealed::<Begun>(&path);
            match before.map(|before| (begun.difference(&before), before.fresh)) {
                Err(Error::Integrity(what)) if !begun.fresh => {
                    return Err(Error::Integrity(format!(
                        "{what}; an unfinished run cannot go on: discard it with --fresh (make: FRESH=1)"
                    )));
                }
                Err(e) if !begun.fresh || !matches!(e, Error::Integrity(_) | Error::Config(_)) => {
                    return Err(e);
                }
                Ok((None, fresh)) if fresh || !begun.fresh => return Ok(()),
                Ok((Some(what), _)) if !begun.fresh => {
                    return Err(Error::Config(format!(
                        "{}: an unfinished run stands here with {what}; go on with its settings, \
                         choose another --out, or discard it with --fresh (make: FRESH=1)",
                        self.out.display()
                    )));
                }
                _ => {}
            }
        }
        self.keep_only(&[])?;
        yaml::write_sealed(&path, begun)
    }

    fn keep_only(&self, keep: &[String]) -> Result<()> {
        let entries = fs::read_dir(&self.folder).map_err(|e| Error::read(&self.folder, &e))?;
        for entry in entries {
            let path = entry.map_err(|e| Error::read(&self.folder, &e))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !keep.iter().any(|k| k.split('/').next() == Some(name.as_str())) {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for Staging {
    /// Leaves no trace of a run that failed before it made anything to go on from.
    fn drop(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let nothing =
            |e: fs::DirEntry| e.file_name() == names::RUN || e.file_name() == names::METRICS;
        let all: io::Result<Vec<fs::DirEntry>> = entries.collect();
        if !self.committed && all.is_ok_and(|all| all.into_iter().all(nothing)) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes what stands at `path`, if anything does.
fn remove(path: &Path) -> Result<()> {
    let found = fs::symlink_metadata(path);
    let done = match found {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match done {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::write(path, &e)),
        _ => Ok(()),
    }
}

fn lock(folder: &Path) -> Result<File> {
    let held = || {
        Error::Locked(format!(
            "{}: another process is writing here; wait for it or choose another --out",
            folder.display()
        ))
    };
    let file = match File::open(folder) {
        Ok(file) => file,
        // Made a moment ago, and committed or removed by another process since.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(held()),
        Err(e) => return Err(Error::read(folder, &e)),
    };
    match file.try_lock() {
        // The holder may have committed (renamed) the folder just before the lock was granted.
        Ok(()) if same(&file, folder)? => Ok(file),
        Ok(()) | Err(TryLockError::WouldBlock) => Err(held()),
        Err(TryLockError::Error(e)) => Err(Error::write(folder, &e)),
    }
}

/// Whether `path` still leads to the open `file`.
fn same(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |m: fs::Metadata| (m.dev(), m.ino());
    let ours = file.metadata().map(identity).map_err(|e| Error::read(path, &e))?;
    match fs::metadata(path).map(identity) {
        Ok(there) => Ok(there == ours),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::read(path, &e)),
    }
}
