//! A set in a `.tar` or `.tar.gz`: regular files with wanted names only, up to a size.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _};
use std::path::Path;

use artifact::{Error, Result};
use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};

use super::Tree;
use super::layout::{self, Layout, Wanted};

/// The largest file in an archive: twice an official batch.
const MOST_FILE: u64 = 64 << 20;
/// The most that an archive may unpack to: four times the official one.
const MOST: u64 = 768 << 20;

/// Reads the set in the archive at `path`.
pub fn read(path: &Path) -> Result<(Layout, Tree)> {
    let mut file = File::open(path).map_err(|e| Error::read(path, &e))?;
    let mut magic = [0; 2];
    let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1F, 0x8B];
    file.rewind().map_err(|e| Error::read(path, &e))?;
    let file = BufReader::new(file);
    let origin = path.display().to_string();
    if gzip { unpack(GzDecoder::new(file), &origin) } else { unpack(file, &origin) }
}

/// As [`read`], from a stream of tar bytes.
fn unpack(stream: impl Read, origin: &str) -> Result<(Layout, Tree)> {
    let bad = |what: String| Error::Integrity(format!("{origin}: {what}"));
    // Headers count towards the limit too; the slack is far above what an official archive needs.
    let mut archive = Archive::new(stream.take(MOST + (64 << 20)));
    let broken = |e: std::io::Error| bad(format!("not a whole tar archive: {e}"));
    let (mut found, mut total) = (Vec::new(), 0);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        total += entry.size();
        if let Some(wanted) = accept(&entry, total).map_err(bad)? {
            found.push((wanted, content(&mut entry).map_err(bad)?));
        }
    }
    let (layout, root) = layout::choose(origin, found.iter().map(|(w, _)| w))?;
    let mut files = BTreeMap::new();
    for (w, bytes) in found.into_iter().filter(|(w, _)| w.layout == layout && w.root == root) {
        if files.insert(w.name.clone(), bytes).is_some() {
            return Err(bad(format!("{} stands twice in the archive", w.name)));
        }
    }
    Ok((layout, Tree { origin: format!("{origin}:{root}"), files }))
}

/// Whether an entry is to be read; refuses what no honest image set has.
fn accept<R: Read>(entry: &Entry<R>, total: u64) -> Result<Option<Wanted>, String> {
    let bytes = entry.path_bytes();
    let path = std::str::from_utf8(&bytes).map_err(|_| "a name is not UTF-8".to_owned())?;
    if path.starts_with('/') || path.split('/').any(|p| p == "..") {
        return Err(format!("entry {path:?} leads out of the archive"));
    }
    if total > MOST {
        return Err(format!("holds more than {} MiB; expected an image set", MOST >> 20));
    }
    match entry.header().entry_type() {
        EntryType::Regular => {}
        EntryType::Directory | EntryType::XGlobalHeader => return Ok(None),
        other => return Err(format!("entry {path:?} is {other:?}; expected regular files only")),
    }
    let wanted = layout::wanted(path.strip_prefix("./").unwrap_or(path));
    if wanted.is_some() && entry.size() > MOST_FILE {
        let (found, most) = (entry.size(), MOST_FILE);
        return Err(format!("entry {path:?} has {found} bytes; expected at most {most}"));
    }
    Ok(wanted)
}

fn content<R: Read>(entry: &mut Entry<R>) -> Result<Vec<u8>, String> {
    let (size, mut bytes) = (entry.size(), Vec::new());
    entry.read_to_end(&mut bytes).map_err(|e| format!("not a whole archive: {e}"))?;
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    Err(format!("the archive ends {} bytes into an entry of {size}", bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use tar::{Builder, Header};

    /// An archive of entries (name, type, content); names are put in as they are.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).expect("into memory");
        }
        builder.into_inner().expect("into memory")
    }

    fn check(bytes: &[u8], expected: &str) {
        let found = match unpack(bytes, "a.tar") {
            Ok((layout, tree)) => format!("{layout:?} {} {:?}", tree.origin, tree.files),
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn wanted_files_are_read_and_others_passed_over() {
        let bytes = archive(&[
            ("c/", EntryType::Directory, b""),
            ("c/readme.html", FILE, b"text"),
            ("c/test_batch", FILE, b"xy"),
        ]);
        check(&bytes, r#"Python a.tar:c {"test_batch": [120, 121]}"#);
        check(&archive(&[("./test_batch.bin", FILE, b"x")]), "Binary");
    }

    #[test]
    fn what_no_image_set_has_is_refused() {
        check(&archive(&[("test_batch", EntryType::Symlink, b"")]), "exit 5: a.tar: entry");
        check(&archive(&[("../test_batch", FILE, b"x")]), "leads out of");
        check(&archive(&[("/test_batch", FILE, b"x")]), "leads out of");
        check(&archive(&[("test_batch", FILE, b"x"), ("test_batch", FILE, b"y")]), "stands twice");
        check(&archive(&[("other", FILE, b"x")]), "exit 4: a.tar: found no image set");
        check(b"no archive at all, only some text", "exit 5");
        let whole = archive(&[("test_batch", FILE, &[1; 2000])]);
        check(&whole[..1500], "exit 5: a.tar: the archive ends 988 bytes into an entry of 2000");
        check(&whole[..300], "exit 5");
    }

    #[test]
    fn sizes_are_capped_before_anything_is_read() {
        let mut header = Header::new_ustar();
        header.set_path("test_batch").expect("short");
        header.set_entry_type(FILE);
        header.set_size(MOST_FILE + 1);
        header.set_cksum();
        check(header.as_bytes(), "expected at most");
        header.set_size(MOST + 1);
        header.set_cksum();
        check(header.as_bytes(), "holds more than 768 MiB");
    }

    #[test]
    fn gzip_is_told_by_its_magic_and_must_be_whole() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("set");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&archive(&[("test_batch", FILE, &[7; 3000])])).expect("into memory");
        let bytes = gzip.finish().expect("into memory");
        artifact::file::write(&path, &bytes).expect("writes");
        assert_eq!(read(&path).expect("reads").1.files["test_batch"], [7; 3000]);
        artifact::file::write(&path, &bytes[..bytes.len() / 2]).expect("writes");
        assert_eq!(read(&path).err().expect("cut").exit_code(), 5);
    }
}
