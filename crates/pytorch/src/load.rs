//! From storages to tensors: sizes checked against the file, then numbers read as f32.

use std::collections::BTreeMap;

use artifact::tensors::{Tensor, Tensors};

use crate::container::Source;
use crate::dtype::{self, Dtype, Number};
use crate::fault::shown;
use crate::names;
use crate::strided::View;

/// A tensor of a file, before its numbers are read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its element type: `torch`'s name or storage class, or another format's.
    pub dtype: String,
    /// The storage in the container.
    pub key: String,
    /// Bytes of that storage.
    pub bytes: usize,
    /// The bytes of it that the view sees: from, to.
    pub part: (usize, usize),
    /// Which elements of that part.
    pub view: View,
}

/// The tensors on one storage.
type Group<'a> = Vec<(&'a Entry, &'static Dtype)>;

/// Bytes that any file may be made into, and as many times its own length in addition: several
/// tensors may see one storage, a stride of 0 repeats a number, zeros deflate well. What asks for
/// more is no checkpoint.
const BASE: usize = 256 << 20;
const TIMES: usize = 64;

/// Reads the numbers of `entries` out of a file of `length` bytes; masks stay bytes.
pub fn load(entries: &[Entry], source: &mut Source, length: usize) -> Result<Tensors, String> {
    let mut tensors = Tensors::new();
    let big = source.big_endian();
    for (key, group) in plan(entries, length)? {
        let bytes = source.storage(key, size(&group))?;
        for (entry, dtype) in group {
            let part = &bytes[entry.part.0..entry.part.1];
            let tensor = match dtype.number {
                Number::Byte => Ok(read_bytes(&entry.view, part)),
                _ => read(&entry.view, dtype, part, big),
            };
            tensors.insert(entry.name.clone(), tensor.map_err(|e| of(entry, &e))?);
        }
    }
    Ok(tensors)
}

/// The tensors by storage, after everything about them was checked that needs no numbers.
fn plan(entries: &[Entry], length: usize) -> Result<BTreeMap<&str, Group<'_>>, String> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut total = 0_usize;
    for entry in entries {
        let (dtype, count) = check(entry).map_err(|e| of(entry, &e))?;
        total = total.saturating_add(count.saturating_mul(size_of::<f32>()));
        groups.entry(&entry.key).or_default().push((entry, dtype));
    }
    total = groups.values().fold(total, |total, g| total.saturating_add(size(g)));
    if total > length.saturating_mul(TIMES).saturating_add(BASE) {
        return Err(format!("asks for {total} bytes of tensors; it has {length} bytes itself"));
    }
    Ok(groups)
}

/// Bytes of the storage of a group: views of other element types can see a few less.
fn size(group: &Group) -> usize {
    group.iter().map(|(entry, _)| entry.bytes).max().unwrap_or(0)
}

/// The element type of `entry` and its number of elements.
fn check(entry: &Entry) -> Result<(&'static Dtype, usize), String> {
    let dtype = readable(entry)?;
    let (from, to) = entry.part;
    if from > to || to > entry.bytes {
        return Err(format!("on bytes {from}..{to} of a storage of {}", entry.bytes));
    }
    Ok((dtype, entry.view.check((to - from) / dtype.size)?))
}

fn readable(entry: &Entry) -> Result<&'static Dtype, String> {
    let found = dtype::find(&entry.dtype).filter(|d| match d.number {
        Number::Refused => false,
        Number::Byte => names::is_mask(&entry.name),
        _ => true,
    });
    found.ok_or_else(|| {
        let name = dtype::find(&entry.dtype).map_or(entry.dtype.as_str(), |d| d.name);
        format!("element type {}; expected float32, float16, bfloat16 or float64", shown(name))
    })
}

/// A mask.
fn read_bytes(view: &View, bytes: &[u8]) -> Tensor {
    let mut values = Vec::with_capacity(view.count());
    view.each(|at| values.push(bytes[at]));
    Tensor::u8(&view.shape, values)
}

/// The numbers that `view` sees in `bytes`.
fn read(view: &View, dtype: &Dtype, bytes: &[u8], big: bool) -> Result<Tensor, String> {
    let (mut values, mut bad) = (Vec::with_capacity(view.count()), None);
    view.each(|at| {
        let number = dtype.number.read(&bytes[at * dtype.size..][..dtype.size], big);
        let value = number as f32;
        if !value.is_finite() && bad.is_none() {
            bad = Some((values.len(), number));
        }
        values.push(value);
    });
    match bad {
        None => Ok(Tensor::f32(&view.shape, values)),
        Some((i, x)) => Err(format!("value {i} is {x:?}; expected a number within f32's range")),
    }
}

fn of(entry: &Entry, what: &str) -> String {
    format!("tensor {}: {what}", shown(&entry.name))
}
