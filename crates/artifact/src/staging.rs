//! The life of an artifact's folder: begun under a hidden sibling name, committed by a rename.
#![allow(clippy::disallowed_methods, reason = "commit is a rename")]

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::manifest::{self, Manifest};
use crate::{Begun, Error, Result, Timings, file, names, yaml};

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
    /// [`Error::Resource`] where the disk refuses. What stood at the name before stands there then,
    /// whole; only where even its return fails, the message says where it is.
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
        let own = [names::MANIFEST, names::TIMINGS, names::RUN];
        // Where nothing has the name yet, nothing has to be told from what had it.
        let own = if file::exists(&self.out)? { &own[..] } else { &own[..2] };
        let own = own.iter().map(|&name| name.to_owned());
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
                Err(e) if !begun.fresh => return Err(e),
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

    /// Puts the finished folder at its name. Where an old artifact has that name the two are
    /// exchanged, so that at each moment one of them has it, and the old one is then deleted.
    fn replace(&self) -> Result<()> {
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
    fn step_aside(&self) -> Result<()> {
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
    fn not_in_place(&self, old: Option<&PathBuf>, error: &io::Error) -> Error {
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

impl Drop for Staging {
    /// Leaves no trace of a run that failed before it made anything to go on from.
    fn drop(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let nothing =
            |e: fs::DirEntry| e.file_name() == names::RUN || e.file_name() == names::METRICS;
        if !self.committed && entries.flatten().all(nothing) {
            let _ = fs::remove_dir_all(&self.folder);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Value;

    fn begun(seed: u64) -> Begun {
        Begun { stage: "t".into(), seed, config: Value::Null, inputs: vec![], fresh: false }
    }

    fn fresh(seed: u64) -> Begun {
        Begun { fresh: true, ..begun(seed) }
    }

    fn manifest() -> Manifest {
        Manifest {
            format: manifest::FORMAT,
            stage: "t".into(),
            version: "0".into(),
            seed: 1,
            network: None,
            inputs: vec![],
            outputs: vec![],
            config: Value::Null,
            result: Value::Null,
        }
    }

    fn finished() -> Finished<'static> {
        static NONE: std::sync::LazyLock<Timings> = std::sync::LazyLock::new(Timings::default);
        Finished { manifest: manifest(), timings: &NONE }
    }

    /// Commits an artifact whose output `x` holds `text`.
    fn made(out: &Path, text: &[u8]) -> Result<()> {
        let staging = Staging::open(out, &begun(1))?;
        file::write(&staging.folder().join("x"), text)?;
        staging.commit(finished(), &["x".into()])
    }

    #[test]
    fn a_commit_replaces_the_old_artifact() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        made(&out, b"old").expect("commits");
        made(&out, b"new").expect("commits");
        assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
    }

    #[test]
    fn an_old_artifact_that_stepped_aside_comes_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        made(&out, b"old").expect("commits");
        let old = file::sibling(&out, "old");
        fs::rename(&out, &old).expect("renames");
        Staging::recover(&out, false).expect("returns");
        assert_eq!(file::read(&out.join("x")).expect("there"), b"old");
    }

    #[test]
    fn an_old_artifact_comes_back_when_the_new_one_cannot_be_put_in_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        made(&out, b"old").expect("commits");
        let old = file::sibling(&out, "old");
        let staging = Staging::open(&out, &begun(1)).expect("opens");
        let error = staging.not_in_place(None, &io::Error::other("no room"));
        assert!(error.to_string().contains("cannot be put in place: no room"), "{error}");
        fs::rename(&out, &old).expect("renames");
        let error = staging.not_in_place(Some(&old), &io::Error::other("no room"));
        assert!(error.to_string().contains("stands at its name as before"), "{error}");
        assert_eq!(file::read(&out.join("x")).expect("there"), b"old");
    }

    #[test]
    fn through_a_link_the_artifact_goes_where_the_link_leads() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (out, link) = (dir.path().join("a"), dir.path().join("link"));
        made(&out, b"old").expect("commits");
        symlink(&out, &link).expect("links");
        made(&link, b"new").expect("commits");
        assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        symlink(dir.path().join("nowhere"), dir.path().join("dangling")).expect("links");
        let error = made(&dir.path().join("dangling"), b"x").expect_err("leads nowhere");
        assert_eq!(error.exit_code(), 3, "{error}");
    }

    #[test]
    fn commit_shows_all_or_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        let staging = Staging::open(&out, &begun(1)).expect("opens");
        file::write(&staging.folder().join("x"), b"data").expect("writes");
        file::write(&staging.folder().join("state"), b"scratch").expect("writes");
        assert!(!out.exists());
        staging.commit(finished(), &["x".into()]).expect("commits");
        let read = Manifest::read(&out).expect("complete");
        assert_eq!(read.outputs.len(), 1);
        read.verified(&out, "x").expect("digest holds");
        assert!(!out.join("state").exists());
        assert_eq!(begun(1).differs_from(&read), None);
        assert!(begun(2).differs_from(&read).expect("differs").contains("seed 1"));
        file::write(&out.join("x"), b"Data").expect("writes");
        assert_eq!(read.verified(&out, "x").expect_err("changed").exit_code(), 5);
    }

    #[test]
    fn a_commit_cut_short_is_completed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        Staging::recover(&out, false).expect("nothing to do");
        let staging = Staging::open(&out, &begun(1)).expect("opens");
        file::write(&staging.folder().join("x"), b"data").expect("writes");
        let outputs = manifest::describe(staging.folder(), &["x".into()]).expect("describes");
        let whole = Manifest { outputs, ..manifest() };
        let path = staging.folder().join(names::MANIFEST);
        yaml::write_sealed(&path, &whole).expect("writes");
        drop(staging);
        Staging::recover(&out, false).expect("completes");
        assert_eq!(Manifest::read(&out).expect("complete"), whole);
        let left: Vec<_> = fs::read_dir(dir.path()).expect("listing").collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(!out.join(names::RUN).exists());
    }

    #[test]
    fn a_commit_cut_short_behind_the_exchange_is_tidied_up() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        made(&out, b"new").expect("commits");
        yaml::write_sealed(&out.join(names::RUN), &begun(1)).expect("writes");
        made(&dir.path().join("b"), b"old").expect("commits");
        fs::rename(dir.path().join("b"), file::sibling(&out, "partial")).expect("renames");
        Staging::recover(&out, false).expect("tidies up");
        assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
        assert!(!out.join(names::RUN).exists());
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
    }

    #[test]
    fn what_waits_for_its_name_and_is_damaged_is_not_put_in_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (out, other) = (dir.path().join("a"), dir.path().join("b"));
        made(&other, b"data").expect("commits");
        yaml::write_sealed(&other.join(names::RUN), &begun(1)).expect("writes");
        file::write(&other.join("x"), b"Data").expect("writes");
        fs::rename(&other, file::sibling(&out, "partial")).expect("renames");
        let error = Staging::recover(&out, false).expect_err("damaged");
        assert_eq!(error.exit_code(), 5, "{error}");
        assert!(error.to_string().contains("discard it with --fresh"), "{error}");
        assert!(!out.exists());
        Staging::recover(&out, true).expect("discards");
        made(&out, b"again").expect("commits");
    }

    #[test]
    fn without_an_exchange_the_old_artifact_steps_aside() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        made(&out, b"old").expect("commits");
        let staging = Staging::open(&out, &begun(1)).expect("opens");
        file::write(&staging.folder().join("x"), b"new").expect("writes");
        staging.step_aside().expect("replaces");
        assert_eq!(file::read(&out.join("x")).expect("there"), b"new");
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
    }

    #[test]
    fn a_run_that_made_nothing_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let staging = Staging::open(&dir.path().join("a"), &begun(1)).expect("opens");
        assert!(staging.folder().join(names::RUN).exists());
        drop(staging);
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 0);
    }

    #[test]
    fn an_interrupted_folder_is_continued_only_under_the_same_settings() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let out = dir.path().join("a");
        let first = Staging::open(&out, &begun(1)).expect("opens");
        file::write(&first.folder().join("half"), b"1").expect("writes");
        assert_eq!(Staging::open(&out, &begun(1)).err().expect("held").exit_code(), 8);
        drop(first);
        let again = Staging::open(&out, &begun(1)).expect("continues");
        assert!(again.folder().join("half").exists());
        drop(again);
        assert_eq!(Staging::open(&out, &begun(2)).err().expect("other").exit_code(), 3);
        let other = Staging::open(&out, &fresh(2)).expect("discards");
        assert!(!other.folder().join("half").exists());
        file::write(&other.folder().join("half"), b"2").expect("writes");
        drop(other);
        assert!(Staging::unfinished(&out, &begun(2)).expect("reads"));
        let again = Staging::open(&out, &fresh(2)).expect("goes on");
        assert!(again.folder().join("half").exists(), "a fresh run goes on after an interruption");
    }
}
