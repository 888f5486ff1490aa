//! `torch.save` before 1.6 and with `_use_new_zipfile_serialization=False`: pickles in a row
//! (magic number, protocol, system, object, storage keys), then the storages.

use std::collections::BTreeMap;

use pickle::{Node, Pickle, Value};

use super::Source;
use crate::dtype;
use crate::fault::{Fault, shown};
use crate::load::Entry;
use crate::tensor::{self, Storage};
use crate::{Selection, find, object, take};

/// `MAGIC_NUMBER` of torch/serialization.py: 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// `PROTOCOL_VERSION` there.
const PROTOCOL: i64 = 1001;

/// The tensors of the file `bytes`.
pub fn open<'a>(
    bytes: &'a [u8],
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<(Vec<Entry>, Source<'a>), Fault> {
    let mut left = bytes;
    let magic = next(&mut left)?;
    if magic.top != Value::Long(&MAGIC) {
        return Err(plain(&magic));
    }
    let protocol = next(&mut left)?.top;
    if protocol != Value::Int(PROTOCOL) {
        return Err(Fault::Damaged(format!("a protocol other than {PROTOCOL}")));
    }
    // The system that wrote it: nothing depends on it, storages are always little-endian.
    next(&mut left)?;
    let object = next(&mut left)?;
    let found = take::state_dict(&object, selection, notes)?;
    let keys = next(&mut left)?;
    Ok((found, Source::Stretches(stretches(&object, &keys, left)?)))
}

fn next<'a>(left: &mut &'a [u8]) -> Result<Pickle<'a>, String> {
    let pickle = pickle::read(left)?;
    *left = &left[pickle.length..];
    Ok(pickle)
}

/// What to say of a pickle that does not begin with the magic number.
fn plain(pickle: &Pickle) -> Fault {
    find::foreign(pickle).unwrap_or_else(|| {
        let found = object::describe(pickle, pickle.top);
        Fault::Question(format!(
            "a plain pickle ({found}), not a file of torch.save; in Python: torch.save(object, NEW), \
             with tensors for values"
        ))
    })
}

/// The storages that follow the list of their keys, by key.
fn stretches<'a>(
    object: &Pickle,
    keys: &Pickle,
    mut left: &'a [u8],
) -> Result<BTreeMap<String, &'a [u8]>, String> {
    let known: BTreeMap<String, Storage> =
        object.nodes.iter().filter_map(|n| storage(object, n)).collect();
    let mut all = BTreeMap::new();
    for key in keys.items(keys.top).ok_or("no list of storage keys")? {
        let key = keys.text(*key).ok_or("a storage key that is no text")?;
        let storage = known.get(key).ok_or_else(|| "no tensor refers to it".to_owned());
        let stretch = storage.and_then(|storage| stretch(storage, &mut left));
        all.insert(key.to_owned(), stretch.map_err(|e| format!("storage {}: {e}", shown(key)))?);
    }
    Ok(all)
}

/// The storage at the front of `left`: a count, which has to be that of `storage`, and as many
/// elements.
fn stretch<'a>(storage: &Storage, left: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let (class, count) = (&storage.class, storage.count);
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

/// The storage that a persistent id tells of, by its key.
fn storage<'a>(pickle: &Pickle<'a>, node: &Node<'a>) -> Option<(String, Storage)> {
    let Node::Persistent(id) = node else { return None };
    tensor::storage(pickle, *id).ok().map(|s| (s.key.clone(), s))
}
