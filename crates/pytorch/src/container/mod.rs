//! The files themselves: which format one has, where its pickle and its storages lie.

mod archive;
mod flat;
mod legacy;

use std::borrow::Cow;
use std::collections::BTreeMap;

use archive::Archive;

use crate::dtype;
use crate::fault::{Fault, shown};
use crate::load::Entry;
use crate::pickle::{Pickle, Tensor};
use crate::take;

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

    /// Whether numbers stand big end first.
    pub fn big_endian(&self) -> bool {
        matches!(self, Self::Archive(archive) if archive.big_endian)
    }
}

/// The tensors that `bytes` tell of, and where their numbers come from.
pub fn open<'a>(
    bytes: &'a [u8],
    key: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Source<'a>), Fault> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return archive::open(bytes, key, notes);
    }
    if flat::is_one(bytes) {
        return flat::open(bytes, key);
    }
    if matches!(bytes, [0x80, 2..=5, ..]) {
        return legacy::open(bytes, key, notes);
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

/// The tensors of the `state_dict` in `pickle`.
fn entries(
    pickle: &Pickle,
    key: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, Fault> {
    let found = take::state_dict(pickle, key, notes)?;
    let entry = |(name, tensor)| entry(name, tensor).map_err(Fault::Damaged);
    found.into_iter().map(entry).collect()
}

fn entry(name: String, tensor: &Tensor) -> Result<Entry, String> {
    let storage = tensor.storage;
    let of = |e| format!("tensor {}: {e}", shown(&name));
    let class = dtype::find(storage.class);
    let size = class.ok_or_else(|| of(format!("storage class {}", shown(storage.class))))?.size;
    let (start, count) = storage.part.unwrap_or((0, storage.count));
    let bytes = |count: usize| {
        count.checked_mul(size).ok_or_else(|| of(format!("a storage of {count} elements")))
    };
    Ok(Entry {
        dtype: tensor.dtype.unwrap_or(storage.class).to_owned(),
        key: storage.key.to_owned(),
        bytes: bytes(storage.count)?,
        part: (bytes(start)?, bytes(start.saturating_add(count))?),
        view: tensor.view.clone(),
        name,
    })
}
