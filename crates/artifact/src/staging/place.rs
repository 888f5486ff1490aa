//! How a finished artifact comes to its name, and what a start does after a kill in the middle of that.
#![allow(clippy::disallowed_methods, reason = "commit is a rename")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Staging, lock, remove};
use crate::manifest::Manifest;
use crate::{Error, Result, file, names};

impl Staging {
    /// Completes what a kill cut short: a commit to `out`, or what was left to tidy up behind one.
    ///
    /// A finished artifact in the hidden folder that still has its [`names::RUN`] waits for its name.
    /// Without, it is the old one: the new one has taken its name (see `replace`).
    ///
    /// # Errors
    /// [`Error::Integrity`] where what waits for its name is damaged; with `fresh` it is discarded.
    pub fn recover(out: &Path, fresh: bool) -> Result<()> {
        let out = file::resolved(out)?;
        let (folder, old) = (file::sibling(&out, "partial"), file::sibling(&out, "old"));
        let waits = file::exists(&folder.join(names::MANIFEST))?;
        let held = if waits { Some(lock(&folder)?) } else { None };
        if !file::exists(&out)? && file::exists(&old)? {
            fs::rename(&old, &out).map_err(|e| Error::write(&out, &e))?;
        }
        match held {
            Some(lock) => Self { _lock: lock, out, folder, committed: false }.complete(fresh)?,
            None if file::exists(&out.join(names::MANIFEST))? => remove(&out.join(names::RUN))?,
            None => {}
        }
        remove(&old)
    }

    /// Checks that what stands at `out` may be replaced: nothing, an empty folder or an artifact, be it
    /// damaged. A file, and a folder with files but no manifest of ours, is somebody's own.
    ///
    /// # Errors
    /// [`Error::Config`] where it may not.
    pub fn replaceable(out: &Path) -> Result<()> {
        let manifest = out.join(names::MANIFEST);
        // One of ours begins with its format.
        if file::exists(&manifest)? && file::read(&manifest)?.starts_with(b"format: ") {
            return Ok(());
        }
        let occupied = match fs::read_dir(out) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => file::exists(out)?,
        };
        if occupied {
            return Err(Error::Config(format!(
                "{}: exists and is no artifact of ours; choose another --out",
                out.display()
            )));
        }
        Ok(())
    }

    fn complete(&mut self, fresh: bool) -> Result<()> {
        let waits = file::exists(&self.folder.join(names::RUN))?;
        if !waits && file::exists(&self.out)? {
            // Whoever made the new one may be tidying up right now.
            let _new = lock(&self.out)?;
            self.committed = true;
            return self.tidy_up();
        }
        match whole(&self.folder) {
            Ok(outputs) => self.put_in_place(&outputs),
            Err(Error::Integrity(_) | Error::Missing(_) | Error::Config(_)) if fresh => {
                self.keep_only(&[])
            }
            Err(Error::Integrity(what) | Error::Missing(what) | Error::Config(what)) => {
                Err(Error::Integrity(format!(
                    "{what}; a finished artifact waits there for its name and is damaged: discard it with \
                 --fresh, or delete {}",
                    self.folder.display()
                )))
            }
            Err(other) => Err(other),
        }
    }

    /// Puts the finished folder at its name. Where an old artifact has that name the two are
    /// exchanged, so that at each moment one of them has it, and the old one is then deleted.
    pub(super) fn replace(&self) -> Result<()> {
        Self::replaceable(&self.out)?;
        if !file::exists(&self.out)? {
            fs::rename(&self.folder, &self.out).map_err(|e| self.not_in_place(None, &e))?;
            return self.tidy_up();
        }
        // Held until it is deleted: for a while it has the name of the hidden folder.
        let _old = lock(&self.out)?;
        // It would make the old one look as if it waited for the name.
        remove(&self.out.join(names::RUN))?;
        match renameat_with(CWD, &self.folder, CWD, &self.out, RenameFlags::EXCHANGE) {
            Ok(()) => self.tidy_up(),
            // Some file systems (NFS) cannot exchange names.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.step_aside(),
            Err(e) => Err(self.not_in_place(None, &e.into())),
        }
    }

    /// As [`Staging::replace`], in two renames: the old artifact has no name between them, and goes
    /// back to its own should the second fail.
    pub(super) fn step_aside(&self) -> Result<()> {
        let old = file::sibling(&self.out, "old");
        remove(&old)?;
        fs::rename(&self.out, &old).map_err(|e| Error::write(&self.out, &e))?;
        fs::rename(&self.folder, &self.out).map_err(|e| self.not_in_place(Some(&old), &e))?;
        self.tidy_up()?;
        remove(&old)
    }

    /// What is left to do once the new artifact has its name for good.
    fn tidy_up(&self) -> Result<()> {
        file::sync_folder(self.out.parent().unwrap_or(Path::new("/")))?;
        remove(&self.out.join(names::RUN))?;
        remove(&self.folder)
    }

    /// The error of a commit whose last rename failed, after `old`, if it stepped aside, went back.
    pub(super) fn not_in_place(&self, old: Option<&PathBuf>, error: &io::Error) -> Error {
        let (out, new) = (self.out.display(), self.folder.display());
        let stands = match old.map(|old| (old, fs::rename(old, &self.out))) {
            None => "; what stood there stands as before".to_owned(),
            Some((_, Ok(()))) => "; the old artifact stands at its name as before".to_owned(),
            Some((old, Err(e))) => {
                format!("; the old artifact lies in {} and could not go back: {e}", old.display())
            }
        };
        Error::Resource(format!(
            "{out}: cannot be put in place: {error}{stands}; the new one is complete in {new}: run \
             the same command again to put it in place"
        ))
    }
}

/// The outputs of the finished artifact in `folder`, after all of their digests were compared.
fn whole(folder: &Path) -> Result<Vec<String>> {
    let manifest = Manifest::read(folder)?;
    for output in &manifest.outputs {
        manifest.verified(folder, &output.file)?;
    }
    Ok(manifest.outputs.into_iter().map(|o| o.file).collect())
}
