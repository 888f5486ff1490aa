//! `torch.save` since 1.6: a zip archive of NAME/data.pkl, NAME/byteorder and NAME/data/KEY.

use std::io::{Cursor, Read as _};

use ::zip::ZipArchive;

use super::Source;
use crate::fault::{Fault, names, shown};
use crate::load::Entry;
use crate::{Selection, take};

/// Bytes of the pickle at most; those of networks have thousands.
const MOST_PICKLE: usize = 256 << 20;
const PICKLE: &str = "data.pkl";

/// An open archive.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes of the file.
    length: usize,
    /// What stands before `data.pkl`: NAME/.
    root: String,
    /// Whether numbers are big-endian.
    pub big_endian: bool,
}

/// The tensors of the archive `bytes`, and the archive, to read them from.
pub fn open<'a>(
    bytes: &'a [u8],
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Source<'a>), Fault> {
    let zip = ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| format!("not a whole zip archive ({} bytes): {e}", bytes.len()))?;
    let root = root(&zip)?;
    let mut archive = Archive { zip, length: bytes.len(), root, big_endian: false };
    if archive.has("byteorder") {
        archive.big_endian = archive.entry("byteorder", 16)? == b"big";
    }
    let program = archive.entry(PICKLE, MOST_PICKLE)?;
    let found = take::state_dict(&pickle::read(&program)?, selection, notes)?;
    Ok((found, Source::Archive(archive)))
}

/// What stands before `data.pkl`, wherever in the archive that is least deep.
fn root(zip: &ZipArchive<Cursor<&[u8]>>) -> Result<String, String> {
    let all: Vec<String> = (0..zip.len())
        .filter_map(|i| zip.name_for_index(i)?.ok().map(std::borrow::Cow::into_owned))
        .collect();
    let roots = all.iter().filter_map(|n| n.strip_suffix(PICKLE));
    let roots = roots.filter(|r| r.is_empty() || r.ends_with('/'));
    roots.min_by_key(|r| r.matches('/').count()).map(str::to_owned).ok_or_else(|| {
        let there = names(all.iter().map(String::as_str));
        format!("a zip archive without {PICKLE}, so not torch.save's; it holds {there}")
    })
}

impl Archive<'_> {
    /// The storage `key`, of `size` bytes; one that is longer is refused.
    pub fn storage(&mut self, key: &str, size: usize) -> Result<Vec<u8>, String> {
        self.entry(&format!("data/{key}"), size)
    }

    fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{}{name}", self.root)).is_some()
    }

    /// The entry `name`, checked against its check sum; refused where it is longer than `most`.
    fn entry(&mut self, name: &str, most: usize) -> Result<Vec<u8>, String> {
        let name = format!("{}{name}", self.root);
        let of = |e: &dyn std::fmt::Display| format!("zip entry {}: {e}", shown(&name));
        let entry = self.zip.by_name(&name).map_err(|e| of(&e))?;
        // The entry's own word on its size is trusted as far as the file itself is long.
        let mut bytes = Vec::with_capacity((entry.size() as usize).min(self.length));
        entry.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|e| of(&e))?;
        if bytes.len() > most {
            return Err(of(&format!("longer than the {most} bytes that belong there")));
        }
        Ok(bytes)
    }
}
