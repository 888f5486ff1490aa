//! Durable single-file writes: a temporary sibling, synced, then renamed over the target.
#![allow(clippy::disallowed_methods, reason = "this is the one place that writes files")]

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::{Error, Result, memory, names};

/// Writes `bytes` to `path` so that after any crash the old or the new content stands there whole.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes).map_err(|e| Error::write(path, &e)))
}

/// As [`write()`], with the content that `fill` writes.
///
/// # Errors
/// Those of `fill`, and [`Error::Resource`] where the disk refuses.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let temporary = sibling(path, "tmp");
    let failed = |e: io::Error| Error::write(path, &e);
    let filled = File::create(&temporary).map_err(failed).and_then(|mut file| {
        fill(&mut file)?;
        file.sync_all().map_err(failed)
    });
    let done = filled.and_then(|()| fs::rename(&temporary, path).map_err(failed));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// A file without a name, to write and read back, on the disk where `near` is or will be: the system
/// removes it when it is closed, however the process ends.
///
/// # Errors
/// [`Error::Resource`] where the disk refuses.
pub fn scratch(near: &Path) -> Result<File> {
    let place = tidy(near)?;
    let mut folder = place.parent().unwrap_or(Path::new("/"));
    while !is_folder(folder)? {
        folder = folder.parent().unwrap_or(Path::new("/"));
    }
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for attempt in 0..u64::MAX {
        let path = folder.join(format!(".{name}.scratch-{}-{attempt}", std::process::id()));
        match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => {
                fs::remove_file(&path).map_err(|e| Error::write(&path, &e))?;
                return Ok(file);
            }
            // Left by a process that was killed between the two calls.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(Error::write(&path, &e)),
        }
    }
    unreachable!("a folder holds fewer names than that")
}

/// Appends one line to `path`, durably.
pub fn append_line(path: &Path, line: &str) -> Result<()> {
    let whole = format!("{line}\n");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut f| f.write_all(whole.as_bytes()).and_then(|()| f.sync_data()))
        .map_err(|e| Error::write(path, &e))
}

/// The whole text of `path`.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = read(path)?;
    String::from_utf8(bytes)
        .map_err(|e| Error::Config(format!("{}: not UTF-8 text: {e}", path.display())))
}

/// Bytes of a file from which on it is asked whether they fit into memory.
const LARGE: u64 = 1 << 28;

/// The whole content of `path`, a regular file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, u64::MAX)
}

/// As [`read`]; a file of more than `most` bytes is refused before any of it is read.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let (mut file, length) = open(path)?;
    let place = path.display();
    if length > most {
        let text = format!("{place}: has {length} bytes; expected at most {most}");
        return Err(Error::Config(text));
    }
    // A file may be far longer than what is on the disk: memory that is merely reserved would be filled
    // with zeros until the system ends the program.
    let fits = || length < LARGE || memory::available().is_none_or(|available| length <= available);
    let mut bytes = Vec::new();
    let mut reserve = || usize::try_from(length).is_ok_and(|n| bytes.try_reserve_exact(n).is_ok());
    if !fits() || !reserve() {
        let text = format!("{place}: its {length} bytes do not fit into memory");
        return Err(Error::Resource(text));
    }
    file.read_to_end(&mut bytes).map_err(|e| Error::read(path, &e))?;
    Ok(bytes)
}

/// The regular file at `path`, opened for reading, and its length.
///
/// Anything else is refused before it is opened: to open a pipe would wait for a writer, and a device
/// may never end.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let about = fs::metadata(path).map_err(|e| Error::read(path, &e))?;
    if !about.is_file() {
        let what = if about.is_dir() { "a folder" } else { "a pipe, a socket or a device" };
        let place = path.display();
        return Err(Error::Config(format!("{place}: is {what}; expected a regular file")));
    }
    let file = File::open(path).map_err(|e| Error::read(path, &e))?;
    Ok((file, about.len()))
}

/// Whether anything stands at `path`, links followed.
///
/// # Errors
/// Where that cannot be found out: an I/O error is never taken for "absent".
pub fn exists(path: &Path) -> Result<bool> {
    Ok(found(path)?.is_some())
}

/// Whether a folder stands at `path`, links followed.
///
/// # Errors
/// As [`exists`].
pub fn is_folder(path: &Path) -> Result<bool> {
    Ok(found(path)?.is_some_and(|found| found.is_dir()))
}

/// Length of the file at `path` in bytes, links followed; `None` where nothing stands there.
///
/// # Errors
/// As [`exists`].
pub fn length(path: &Path) -> Result<Option<u64>> {
    Ok(found(path)?.map(|found| found.len()))
}

/// What stands at `path`, links followed; `None` where nothing does, or a parent of it is a file.
fn found(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if absent(&e) => Ok(None),
        Err(e) => Err(Error::read(path, &e)),
    }
}

/// Whether `error` says that nothing stands at a path, or that a parent of it is a file.
fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// `path` with every link on the way followed. Its end need not exist yet.
///
/// # Errors
/// [`Error::Config`] where the end is a link that leads nowhere: what is written through it would
/// appear at a place that nobody named. [`Error::Missing`] where a folder cannot be looked into.
pub fn resolved(path: &Path) -> Result<PathBuf> {
    let path = tidy(path)?;
    match fs::symlink_metadata(&path) {
        Ok(_) => fs::canonicalize(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::Config(format!(
                "{}: is a link to what does not exist; remove it or choose another path",
                path.display()
            )),
            _ => Error::read(&path, &e),
        }),
        Err(e) if absent(&e) => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(resolved(parent)?.join(name)),
            _ => Ok(path),
        },
        Err(e) => Err(Error::read(&path, &e)),
    }
}

/// Checks that the file `out` may be written: nothing stands there, or `fresh` allows to overwrite it.
///
/// # Errors
/// [`Error::Config`] where something stands there, or a link that leads nowhere, or where `out` lies
/// inside an artifact.
pub fn vacant(out: &Path, fresh: bool) -> Result<()> {
    resolved(out)?;
    let folder = out.parent().unwrap_or(Path::new(""));
    if exists(&folder.join(names::MANIFEST))? {
        return Err(Error::Config(format!(
            "{}: lies inside an artifact, whose files are not replaced; choose another --out",
            out.display()
        )));
    }
    if exists(out)? && !fresh {
        return Err(Error::Config(format!(
            "{}: exists; choose another --out or overwrite it with --fresh",
            out.display()
        )));
    }
    Ok(())
}

/// Makes `folder` and its parents.
pub fn make_folder(folder: &Path) -> Result<()> {
    match fs::create_dir_all(folder) {
        // The answer also for a folder that could not be looked at just then.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && is_folder(folder)? => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(Error::Config(format!(
            "{}: is a file where a folder is to be made; remove it or choose another path",
            folder.display()
        ))),
        done => done.map_err(|e| Error::write(folder, &e)),
    }
}

/// Runs `f` while no other process does so for the same folder.
pub fn alone<R>(folder: &Path, f: impl FnOnce() -> Result<R>) -> Result<R> {
    let held = File::open(folder).map_err(|e| Error::read(folder, &e))?;
    held.lock().map_err(|e| Error::write(folder, &e))?;
    f()
}

/// `path` made absolute, `.` and `..` resolved by text alone (the end need not exist yet).
pub(crate) fn tidy(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|e| Error::read(path, &e))?;
    let mut clean = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean)
}

/// The tidy `path` as seen from the tidy folder `from`, with `/` between parts.
pub(crate) fn relative(path: &Path, from: &Path) -> String {
    let (path, from): (Vec<_>, Vec<_>) = (path.components().collect(), from.components().collect());
    let shared = path.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = path[shared..].iter().map(|c| c.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// `.NAME.SUFFIX` beside `path`.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// Makes the entries of `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::write(folder, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_lead_back() {
        let check = |path: &str, from: &str, expected: &str| {
            assert_eq!(relative(Path::new(path), Path::new(from)), expected);
        };
        check("/a/b/c", "/a/d", "../b/c");
        check("/a/b", "/a/b", ".");
        check("/a/b/c", "/a/b", "c");
        check("/a", "/a/b/c", "../..");
    }

    #[test]
    fn absent_is_not_the_same_as_unknown() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (folder, path) = (dir.path(), dir.path().join("f"));
        write(&path, b"x").expect("writes");
        let looked = |p: &Path| (exists(p).expect("known"), is_folder(p).expect("known"));
        assert_eq!(looked(folder), (true, true));
        assert_eq!(looked(&path), (true, false));
        assert_eq!(looked(&folder.join("g")), (false, false));
        assert_eq!(looked(&path.join("below a file")), (false, false));
        let too_long = folder.join("n".repeat(300));
        assert_eq!(exists(&too_long).expect_err("the system refuses to look").exit_code(), 4);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a file that takes no room on the disk")]
    fn a_file_far_longer_than_memory_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("f");
        let long = File::create(&path).expect("makes");
        if long.set_len(1 << 42).is_err() {
            return;
        }
        let error = read(&path).expect_err("4 TiB");
        assert_eq!(error.exit_code(), 6, "{error}");
        assert!(error.to_string().contains("do not fit into memory"), "{error}");
    }

    #[test]
    fn a_folder_is_made_once_and_not_in_the_place_of_a_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path().join("a/b");
        make_folder(&folder).expect("makes both");
        make_folder(&folder).expect("it is there");
        write(&folder.join("f"), b"x").expect("writes");
        let error = make_folder(&folder.join("f")).expect_err("a file has the name");
        assert_eq!(error.exit_code(), 3, "{error}");
    }

    #[test]
    fn links_are_followed_and_dangling_ones_refused() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let real = fs::canonicalize(dir.path()).expect("there");
        make_folder(&real.join("a")).expect("makes");
        symlink(real.join("a"), real.join("link")).expect("links");
        assert_eq!(resolved(&real.join("link/new")).expect("fine"), real.join("a/new"));
        assert_eq!(resolved(&real.join("link")).expect("fine"), real.join("a"));
        symlink(real.join("nowhere"), real.join("dangling")).expect("links");
        let error = resolved(&real.join("dangling")).expect_err("leads nowhere");
        assert_eq!(error.exit_code(), 3, "{error}");
    }

    #[test]
    fn only_regular_files_of_the_expected_length_are_read() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a");
        write(&path, b"four").expect("writes");
        assert_eq!(read_at_most(&path, 4).expect("reads"), b"four");
        let refused = |path: &Path, expected: &str| {
            let error = read_at_most(path, 3).expect_err("refused");
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
            assert_eq!(error.exit_code(), 3, "{error}");
        };
        refused(&path, "has 4 bytes; expected at most 3");
        refused(dir.path(), "is a folder");
        #[cfg(unix)]
        refused(Path::new("/dev/zero"), "a pipe, a socket or a device");
    }

    #[test]
    fn a_scratch_file_has_no_name() {
        use std::os::unix::fs::FileExt as _;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut file = scratch(&dir.path().join("not/made/yet")).expect("makes");
        file.write_all(b"pixels").expect("writes");
        let mut back = [0; 5];
        file.read_exact_at(&mut back, 1).expect("reads");
        assert_eq!(&back, b"ixels");
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
    }

    #[test]
    fn a_failed_write_leaves_the_old_content_and_no_temporary() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a");
        write(&path, b"old").expect("first write");
        let blocked = dir.path().join("missing").join("a");
        assert_eq!(write(&blocked, b"new").expect_err("no such folder").exit_code(), 6);
        assert_eq!(read(&path).expect("still there"), b"old");
        assert_eq!(fs::read_dir(dir.path()).expect("listing").count(), 1);
    }
}
