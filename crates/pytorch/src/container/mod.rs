//! The files themselves: which format one has, where its pickle and its storages lie.

mod archive;
mod flat;
mod legacy;

use std::borrow::Cow;
use std::collections::BTreeMap;

use archive::Archive;

use crate::Selection;
use crate::fault::{Fault, shown};
use crate::load::Entry;

/// Where the numbers of a file come from.
pub enum Source<'a> {
    /// An archive of `torch.save`.
    Archive(Archive<'a>),
    /// Stretches of the file itself.
    Stretches(BTreeMap<String, &'a [u8]>),
}

impl Source<'_> {
    /// The storage `key`, of at least `size` bytes.
    pub fn storage(&mut self, key: &str, size: usize) -> Result<Cow<'_, [u8]>, String> {
        let found = match self {
            Self::Archive(archive) => Cow::Owned(archive.storage(key, size)?),
            Self::Stretches(all) => Cow::Borrowed(*all.get(key).unwrap_or(&&[][..])),
        };
        let (key, length) = (shown(key), found.len());
        if length < size {
            return Err(format!("storage {key}: {length} bytes; expected {size}: truncated"));
        }
        Ok(found)
    }

    /// Whether numbers are big-endian.
    pub fn big_endian(&self) -> bool {
        matches!(self, Self::Archive(archive) if archive.big_endian)
    }
}

/// The tensors of `bytes` that are asked for, and where their numbers come from.
pub fn open<'a>(
    bytes: &'a [u8],
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Source<'a>), Fault> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return archive::open(bytes, selection, notes);
    }
    if flat::is_one(bytes) {
        return flat::open(bytes, selection, notes);
    }
    if matches!(bytes, [0x80, 0..=5, ..]) {
        return legacy::open(bytes, selection, notes);
    }
    Err(unknown(bytes))
}

/// What to say of a file of another format.
fn unknown(bytes: &[u8]) -> Fault {
    if bytes.get(257..262) == Some(b"ustar") {
        let text = "the tar format of PyTorch's first releases, which is not read; if you trust \
                    the file, load it in PyTorch and save it anew: \
                    torch.save(torch.load(FILE, weights_only=False), NEW)";
        return Fault::Question(text.to_owned());
    }
    Fault::Damaged(format!(
        "no checkpoint: {} bytes that begin with \"{}\"; expected torch.save's zip archive or \
         pickle, or safetensors",
        bytes.len(),
        bytes[..bytes.len().min(16)].escape_ascii()
    ))
}
