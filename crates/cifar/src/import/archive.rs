//! A set in an archive, which is read whole or refused.

mod tar;
mod zip;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use artifact::{Error, Result, file};

use super::Tree;
use super::gzip::Members;
use super::layout::Wanted;
use super::sorted::{self, Entry, Kind, Sorted};
use artifact::printable;

/// The most that an archive may unpack to: four times CIFAR-100's.
const MOST: u64 = 768 << 20;
/// What an archive may have beside that: headers, padding, the end.
const SLACK: u64 = 256 << 20;

/// Signatures of what is no archive that can be read: the name, and what to do.
const OTHERS: [(&[u8], &str, &str); 8] = [
    (b"\xFD7zXZ\0", "an xz file", "xz -d"),
    (b"BZh", "a bzip2 file", "bzip2 -d"),
    (b"\x28\xB5\x2F\xFD", "a Zstandard file", "zstd -d"),
    (b"\x04\x22\x4D\x18", "an LZ4 file", "lz4 -d"),
    (b"\x1F\x9D", "a compress file", "uncompress"),
    (b"LZIP", "an lzip file", "lzip -d"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", "7z x"),
    (b"Rar!\x1A\x07", "a RAR archive", "unrar x"),
];

/// Reads the set in the archive at `path`.
pub fn read(path: &Path) -> Result<(Sorted, Tree)> {
    let (mut file, length) = file::open(path)?;
    let mut magic = Vec::new();
    (&mut file).take(8).read_to_end(&mut magic).map_err(|e| Error::read(path, &e))?;
    file.rewind().map_err(|e| Error::read(path, &e))?;
    let origin = path.display().to_string();
    if let Some((_, name, command)) = OTHERS.iter().find(|(m, ..)| magic.starts_with(m)) {
        return Err(Error::Config(format!(
            "{origin}: is {name}, which is not read; expected .tar, .tar.gz or .zip: unpack it \
             (`{command}`) and import the result"
        )));
    }
    if length > MOST + SLACK {
        return Err(Error::Config(format!(
            "{origin}: an archive of {} MiB; expected at most {}: unpack it and import the folder",
            length >> 20,
            (MOST + SLACK) >> 20
        )));
    }
    let failed = Cell::new(None);
    let file = BufReader::with_capacity(1 << 16, Watched { file, failed: &failed });
    let unpacked = if magic.starts_with(b"PK") {
        zip::unpack(file)
    } else if magic.starts_with(&[0x1F, 0x8B]) {
        tar::unpack(Members::new(file))
    } else {
        tar::unpack(file)
    };
    let unpacked = unpacked.map_err(|what| match failed.take() {
        Some(error) => Error::read(path, &error),
        None => Error::Integrity(format!("{origin}: {what}")),
    })?;
    unpacked.tree(&origin)
}

/// A file that remembers how reading it failed: the readers of archives take a failing disk for a
/// damaged archive.
struct Watched<'a> {
    file: File,
    failed: &'a Cell<Option<io::Error>>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).inspect_err(|e| {
            if let Some(code) = e.raw_os_error() {
                self.failed.set(Some(io::Error::from_raw_os_error(code)));
            }
        })
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// What an archive holds: all names, and the content of the files that a layout might use.
#[derive(Debug, Default)]
struct Unpacked {
    entries: Vec<Entry>,
    contents: BTreeMap<Wanted, Vec<u8>>,
    total: u64,
}

/// An entry of an archive, as its header has it.
struct Header<'a> {
    path: &'a [u8],
    kind: Kind,
    size: u64,
}

impl Unpacked {
    /// Notes an entry; returns what a layout would take it as. Refuses what no honest image set has.
    fn add(&mut self, header: &Header) -> Result<Option<Wanted>, String> {
        let path = header.path.strip_prefix(b"./").unwrap_or(header.path);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let entry = Entry::new(path, header.kind);
        let shown = &entry.path;
        if header.path.starts_with(b"/") || entry.path.split('/').any(|p| p == "..") {
            return Err(format!("entry {shown:?} leads out of the archive"));
        }
        self.total = self.total.saturating_add(header.size);
        if self.total > MOST {
            return Err(format!(
                "holds more than {} MiB; unpack it and import the folder",
                MOST >> 20
            ));
        }
        let wanted = entry.wanted("the archive").map_err(|e| e.to_string())?;
        let wanted = wanted.or_else(|| entry.wanted_as_picture());
        let most = wanted.as_ref().map_or(u64::MAX, |w| w.set.layout.most());
        if header.size > most {
            let found = header.size;
            return Err(format!("entry {shown:?} has {found} bytes; expected at most {most}"));
        }
        if wanted.as_ref().is_some_and(|w| self.contents.contains_key(w)) {
            return Err(format!("{shown:?} stands twice in the archive"));
        }
        if !matches!(path, b"" | b".") {
            self.entries.push(entry);
        }
        Ok(wanted)
    }

    /// The content of an entry of `size` bytes.
    fn keep(&mut self, wanted: Wanted, size: u64, content: &mut impl Read) -> Result<(), String> {
        let mut bytes = Vec::new();
        content.take(size + 1).read_to_end(&mut bytes).map_err(|e| {
            let what = printable(&e.to_string());
            format!("entry {:?}: not a whole archive: {what}", wanted.name)
        })?;
        if bytes.len() as u64 != size {
            let (name, found) = (&wanted.name, bytes.len());
            return Err(format!("entry {name:?}: the archive ends {found} bytes into its {size}"));
        }
        self.contents.insert(wanted, bytes);
        Ok(())
    }

    fn tree(mut self, origin: &str) -> Result<(Sorted, Tree)> {
        self.entries.sort_by(|a, b| a.path.cmp(&b.path));
        let sorted = match sorted::sort(origin, &self.entries) {
            Err(error @ Error::Missing(_)) => {
                sorted::sort_classes(origin, &self.entries)?.ok_or(error)?
            }
            sorted => sorted?,
        };
        let mut files = BTreeMap::new();
        let names: BTreeSet<&str> = sorted.names.iter().map(String::as_str).collect();
        for (wanted, bytes) in self.contents {
            let name = sorted.name_of(&wanted).filter(|name| names.contains(name));
            if let Some(name) = name.map(str::to_owned) {
                files.insert(name, bytes);
            }
        }
        let origin = sorted.origin(origin, ':');
        Ok((sorted, Tree { origin, files, pictures: None }))
    }
}
