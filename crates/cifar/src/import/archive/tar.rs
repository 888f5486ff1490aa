//! tar archives.

use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::{Header, Kind, MOST, SLACK, Unpacked};
use artifact::printable;

/// Bytes of a block; headers, contents and the end are whole ones.
const BLOCK: u64 = 512;

/// Reads a tar archive to its end, which two empty blocks mark and only zeros may follow.
pub fn unpack(stream: impl Read) -> Result<Unpacked, String> {
    let mut archive = Archive::new(Watched { stream, read: 0, zeros_from: 0 });
    let mut unpacked = Unpacked::default();
    let end = entries(&mut archive, &mut unpacked)?;
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|e| broken(&e))?;
    if rest.read < end + 2 * BLOCK {
        return Err("the archive was cut off: the two empty blocks that end it are missing".into());
    }
    if rest.zeros_from > end {
        return Err("something else follows the end of the archive".to_owned());
    }
    Ok(unpacked)
}

/// Reads all entries; returns where the last one ends.
fn entries<R: Read>(archive: &mut Archive<R>, unpacked: &mut Unpacked) -> Result<u64, String> {
    let mut end = 0;
    for entry in archive.entries().map_err(|e| broken(&e))? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(_) if unpacked.entries.is_empty() => {
                return Err(
                    "neither a tar archive (.tar, .tar.gz) nor a .zip, or its first header is \
                            damaged"
                        .to_owned(),
                );
            }
            Err(e) => return Err(broken(&e)),
        };
        let (from, size) = (entry.raw_file_position(), entry.size());
        end = from.saturating_add(size).div_ceil(BLOCK).saturating_mul(BLOCK);
        let Some(kind) = kind(&entry)? else { continue };
        let path = entry.path_bytes().into_owned();
        if let Some(wanted) = unpacked.add(&Header { path: &path, kind, size })? {
            unpacked.keep(wanted, size, &mut entry)?;
        }
    }
    Ok(end)
}

/// What an entry is; none where it is about others. Refuses links, which could lead anywhere.
fn kind<R: Read>(entry: &Entry<R>) -> Result<Option<Kind>, String> {
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => Ok(Some(Kind::File)),
        EntryType::Directory => Ok(Some(Kind::Folder)),
        EntryType::XGlobalHeader => Ok(None),
        other => {
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            Err(format!("entry {path:?} is {other:?}; expected regular files only"))
        }
    }
}

fn broken(error: &io::Error) -> String {
    format!("not a whole tar archive: {}", printable(&error.to_string()))
}

/// A stream that remembers how much of it was read, and from where on that was zeros.
struct Watched<R> {
    stream: R,
    read: u64,
    zeros_from: u64,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        if let Some(last) = buffer[..n].iter().rposition(|b| *b != 0) {
            self.zeros_from = self.read + last as u64 + 1;
        }
        self.read += n as u64;
        if self.read > MOST + SLACK {
            return Err(io::Error::other(format!("it unpacks to more than {} MiB", MOST >> 20)));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::Builder;

    /// An archive of entries (name, type, content); names are put in as they are.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).expect("into memory");
        }
        builder.into_inner().expect("into memory")
    }

    fn check(bytes: &[u8], expected: &str) {
        let found = match unpack(bytes)
            .map_err(artifact::Error::Integrity)
            .and_then(|unpacked| unpacked.tree("a.tar"))
        {
            Ok((sorted, tree)) => {
                format!("{:?} {} {:?}", sorted.set.layout, tree.origin, tree.files)
            }
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
        check(&archive(&[("test_batch", EntryType::Symlink, b"")]), "exit 5: entry");
        check(&archive(&[("../test_batch", FILE, b"x")]), "leads out of");
        check(&archive(&[("/test_batch", FILE, b"x")]), "leads out of");
        check(&archive(&[("test_batch", FILE, b"x"), ("test_batch", FILE, b"y")]), "stands twice");
        check(&archive(&[("other", FILE, b"x")]), "exit 4: a.tar: found no image set");
        check(b"no archive at all, only some text", "exit 5: neither a tar archive");
        check(&[27; 700], "exit 5: neither a tar archive");
        let whole = archive(&[("test_batch", FILE, &[1; 2000])]);
        check(
            &whole[..1500],
            "exit 5: entry \"test_batch\": the archive ends 988 bytes into its 2000",
        );
        check(&whole[..300], "exit 5");
    }

    #[test]
    fn an_archive_ends_with_two_empty_blocks_and_zeros() {
        // The content's own zeros are no end.
        let whole = archive(&[("a/test_batch", FILE, &[0; 3072])]);
        assert_eq!(whole.len(), 512 + 3072 + 1024);
        check(&whole[..512 + 3072], "exit 5: the archive was cut off");
        check(&whole[..512 + 3072 + 512], "exit 5: the archive was cut off");
        check(&[&whole[..], &[0; 5000]].concat(), "Python");
        check(&[&whole[..], &whole[..]].concat(), "exit 5: something else follows the end");
        check(&[&whole[..], b"x"].concat(), "exit 5: something else follows the end");
    }

    #[test]
    fn sizes_are_capped_before_anything_is_read() {
        let mut header = tar::Header::new_ustar();
        header.set_path("test_batch").expect("short");
        header.set_entry_type(FILE);
        header.set_size((64 << 20) + 1);
        header.set_cksum();
        check(header.as_bytes(), "expected at most");
        header.set_size(MOST + 1);
        header.set_cksum();
        check(header.as_bytes(), "holds more than 768 MiB");
    }
}
