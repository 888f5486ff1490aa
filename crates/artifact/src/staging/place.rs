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
        if file::exists(&folder.join(names::MANIFEST))? {
            let mut staging = Self { _lock: lock(&folder)?, out, folder, committed: false };
            return staging.complete(fresh);
        }
        match (file::exists(&out)?, file::exists(&old)?) {
            (true, true) => remove(&old),
            (false, true) => rename(&old, &out).map_err(|e| Error::write(&out, &e)),
            (_, false) => Ok(()),
        }
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
            Err(Error::Integrity(_)) if fresh => self.keep_only(&[]),
            Err(Error::Integrity(what)) => Err(Error::Integrity(format!(
                "{what}; a finished artifact waits there for its name and is damaged: discard it with \
                 --fresh, or delete {}",
                self.folder.display()
            ))),
            Err(other) => Err(other),
        }
    }

    /// Puts the finished folder at its name. Where an old artifact has that name the two are
    /// exchanged, so that at each moment one of them has it, and the old one is then deleted.
    pub(super) fn replace(&self) -> Result<()> {
        if !file::exists(&self.out)? {
            rename(&self.folder, &self.out).map_err(|e| self.not_in_place(None, &e))?;
            return self.tidy_up();
        }
        // Held until it is deleted: for a while it has the name of the hidden folder.
        let _old = lock(&self.out)?;
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
        rename(&self.out, &old).map_err(|e| Error::write(&self.out, &e))?;
        rename(&self.folder, &self.out).map_err(|e| self.not_in_place(Some(&old), &e))?;
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
        let stands = match old.map(|old| (old, rename(old, &self.out))) {
            None => String::new(),
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

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}
