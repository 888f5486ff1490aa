//! `torch.save` before 1.6 and with `_use_new_zipfile_serialization=False`: pickles in a row
//! (magic number, protocol, system, object, storage keys), then the storages.

use std::collections::BTreeMap;

use super::{Source, entries};
use crate::dtype;
use crate::fault::{Fault, shown};
use crate::find;
use crate::load::Entry;
use crate::pickle::{self, Node, Pickle, Value};

/// `MAGIC_NUMBER` of torch/serialization.py: 0x1950a86a20f9469cfc6c, little end first.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// `PROTOCOL_VERSION` there.
const PROTOCOL: i64 = 1001;

/// The tensors of the file `bytes`.
pub fn open<'a>(
    bytes: &'a [u8],
    key: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Source<'a>), Fault> {
    let mut left = bytes;
    let magic = next(&mut left)?;
    if magic.top != Value::Long(&MAGIC) {
        return Err(plain(&magic));
    }
    let protocol = next(&mut left)?.top;
    if protocol != Value::Int(PROTOCOL) {
        return Err(Fault::Damaged(format!("protocol {protocol:?}; expected {PROTOCOL}")));
    }
    // The system that wrote it: nothing depends on it, storages are always little end first.
    next(&mut left)?;
    let object = next(&mut left)?;
    let found = entries(&object, key, notes)?;
    let keys = next(&mut left)?;
    Ok((found, Source::Stretches(stretches(&object, &keys, left)?)))
}

fn next<'a>(left: &mut &'a [u8]) -> Result<Pickle<'a>, String> {
    let pickle = pickle::run(left)?;
    *left = &left[pickle.length..];
    Ok(pickle)
}

/// What to say of a pickle that does not begin with the magic number.
fn plain(pickle: &Pickle) -> Fault {
    find::foreign(pickle).unwrap_or_else(|| {
        let found = pickle.heap.describe(pickle.top);
        Fault::Foreign(format!("a plain pickle ({found}), not a file of torch.save"))
    })
}

/// The storages that follow the list of their keys, by key.
fn stretches<'a>(
    object: &Pickle,
    keys: &Pickle,
    mut left: &'a [u8],
) -> Result<BTreeMap<String, &'a [u8]>, String> {
    let known: BTreeMap<&str, _> = object.heap.nodes().iter().filter_map(storage).collect();
    let mut all = BTreeMap::new();
    for key in keys.heap.list(keys.top).ok_or("no list of storage keys")? {
        let Value::Text(key) = *key else {
            return Err("a storage key that is no text".to_owned());
        };
        let told = known.get(key).ok_or_else(|| "no tensor tells of it".to_owned());
        let stretch = told.and_then(|told| stretch(*told, &mut left));
        all.insert(key.to_owned(), stretch.map_err(|e| format!("storage {}: {e}", shown(key)))?);
    }
    Ok(all)
}

/// The storage at the front of `left`: a count, which has to be that of (class, count), and as
/// many elements.
fn stretch<'a>((class, count): (&str, usize), left: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let size = dtype::find(class).ok_or_else(|| format!("class {}", shown(class)))?.size;
    let (found, rest) = left.split_first_chunk().ok_or("truncated")?;
    let found = u64::from_le_bytes(*found);
    if found != count as u64 {
        return Err(format!("{found} elements; expected {count}"));
    }
    let parts = count.checked_mul(size).and_then(|n| rest.split_at_checked(n));
    let (stretch, rest) = parts.ok_or_else(|| {
        let there = rest.len();
        format!("{count} elements of {size} bytes, but {there} bytes are left: truncated")
    })?;
    *left = rest;
    Ok(stretch)
}

/// Key, class and count of a storage.
fn storage<'a>(node: &Node<'a>) -> Option<(&'a str, (&'a str, usize))> {
    if let Node::Storage(s) = node { Some((s.key, (s.class, s.count))) } else { None }
}
