//! From storages to tensors: sizes checked against the file, then numbers read.

use std::collections::BTreeMap;

use crate::container::Source;
use crate::dtype::{self, Dtype, Number};
use crate::fault::shown;
use crate::sparse;
use crate::strided::View;
use crate::tensor::{Body, Strided};

/// A tensor of a file, before its numbers are read.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where its numbers are.
    pub body: Body,
}

/// Numbers of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Floats of any width, as f32 and finite.
    Floats(Vec<f32>),
    /// Bytes or booleans.
    Bytes(Vec<u8>),
    /// Signed integers of any width.
    Integers(Vec<i64>),
}

/// A tensor as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its name, as the file has it.
    pub name: String,
    /// Its row-major shape.
    pub shape: Vec<usize>,
    /// `torch`'s name of its element type.
    pub dtype: &'static str,
    /// As many values as the shape's product.
    pub numbers: Numbers,
}

/// The parts of tensors on one storage: entry, part of the entry, elements.
type Group<'a> = Vec<((usize, usize), &'a Strided, &'static Dtype)>;

/// Numbers by entry and part.
type Loaded = BTreeMap<(usize, usize), Numbers>;

/// Bytes that any file may be made into, and as many times its own length in addition: several
/// tensors may see one storage, a stride of 0 repeats a number, zeros deflate well. What asks for
/// more is no checkpoint.
const BASE: usize = 256 << 20;
const TIMES: usize = 64;

/// Reads the numbers of `entries` out of a file of `length` bytes.
pub fn load(entries: &[Entry], source: &mut Source, length: usize) -> Result<Vec<Array>, String> {
    let big = source.big_endian();
    let mut loaded = Loaded::new();
    for (key, group) in plan(entries, length)? {
        let bytes = source.storage(key, size(&group))?;
        for (place, strided, dtype) in group {
            let part = &bytes[strided.part.0..strided.part.1];
            let numbers = read(&strided.view, dtype, part, big);
            loaded.insert(place, numbers.map_err(|e| of(&entries[place.0], &e))?);
        }
    }
    let array =
        |(i, entry): (usize, &Entry)| assemble(i, entry, &mut loaded).map_err(|e| of(entry, &e));
    entries.iter().enumerate().map(array).collect()
}

/// The parts of all tensors by storage, after everything about them was checked that needs no
/// numbers.
fn plan(entries: &[Entry], length: usize) -> Result<BTreeMap<&str, Group<'_>>, String> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut total = 0_usize;
    for (i, entry) in entries.iter().enumerate() {
        for (part, strided) in entry.body.parts().into_iter().enumerate() {
            let (dtype, count) = check(strided).map_err(|e| of(entry, &e))?;
            total = total.saturating_add(count.saturating_mul(width(dtype)));
            groups.entry(&strided.key).or_default().push(((i, part), strided, dtype));
        }
        total = total.saturating_add(entry.body.dense_bytes());
    }
    total = groups.values().fold(total, |total, g| total.saturating_add(size(g)));
    if total > length.saturating_mul(TIMES).saturating_add(BASE) {
        return Err(format!("asks for {total} bytes of tensors; it has {length} bytes itself"));
    }
    Ok(groups)
}

/// Bytes that an element takes in memory.
fn width(dtype: &Dtype) -> usize {
    match dtype.number {
        Number::Integer => size_of::<i64>(),
        Number::Byte => 1,
        _ => size_of::<f32>(),
    }
}

/// Bytes of the storage of a group: views of other element types can see a few less.
fn size(group: &Group) -> usize {
    group.iter().map(|(_, strided, _)| strided.bytes).max().unwrap_or(0)
}

/// The element type of `strided` and its number of elements.
fn check(strided: &Strided) -> Result<(&'static Dtype, usize), String> {
    let dtype = readable(&strided.dtype)?;
    let (from, to) = strided.part;
    if from > to || to > strided.bytes {
        return Err(format!("on bytes {from}..{to} of a storage of {}", strided.bytes));
    }
    Ok((dtype, strided.view.check((to - from) / dtype.size)?))
}

fn readable(name: &str) -> Result<&'static Dtype, String> {
    let known = dtype::find(name);
    known.filter(|d| d.number != Number::Refused).ok_or_else(|| {
        let name = known.map_or(name, |d| d.name);
        let call = if name.starts_with("complex") { ".real" } else { ".float()" };
        format!(
            "element type {}; expected float32, float16, bfloat16 or float64: save it with {call}",
            shown(name)
        )
    })
}

/// The numbers that `view` sees in `bytes`.
fn read(view: &View, dtype: &Dtype, bytes: &[u8], big: bool) -> Result<Numbers, String> {
    match dtype.number {
        Number::Byte => {
            let mut values = Vec::with_capacity(view.count());
            view.each(|at| values.push(bytes[at]));
            Ok(Numbers::Bytes(values))
        }
        Number::Integer => {
            let mut values = Vec::with_capacity(view.count());
            view.each(|at| {
                values.push(dtype::integer(&bytes[at * dtype.size..][..dtype.size], big));
            });
            Ok(Numbers::Integers(values))
        }
        _ => floats(view, dtype, bytes, big).map(Numbers::Floats),
    }
}

fn floats(view: &View, dtype: &Dtype, bytes: &[u8], big: bool) -> Result<Vec<f32>, String> {
    let (mut values, mut bad) = (Vec::with_capacity(view.count()), None);
    view.each(|at| {
        let number = dtype.number.float(&bytes[at * dtype.size..][..dtype.size], big);
        let value = number as f32;
        if !value.is_finite() && bad.is_none() {
            bad = Some((values.len(), number));
        }
        values.push(value);
    });
    match bad {
        None => Ok(values),
        Some((i, x)) => {
            Err(format!("value {i} is {x:?}; expected a finite number within f32's range"))
        }
    }
}

/// The tensor of entry `i`, its parts put together.
fn assemble(i: usize, entry: &Entry, loaded: &mut Loaded) -> Result<Array, String> {
    let mut part = |p: usize| loaded.remove(&(i, p)).expect("every part was planned and read");
    let (numbers, dtype) = match &entry.body {
        Body::Dense(strided) => (part(0), &strided.dtype),
        Body::Coo { shape, indices, values } => {
            let places = integers(part(0))?;
            let places = (&indices.view.shape[..], &places[..]);
            (sparse::coo(shape, places, &part(1))?, &values.dtype)
        }
        Body::Compressed { shape, by_column, values, .. } => {
            let (starts, indices) = (integers(part(0))?, integers(part(1))?);
            (sparse::compressed(shape, *by_column, (&starts, &indices), &part(2))?, &values.dtype)
        }
    };
    let dtype = readable(dtype)?.name;
    Ok(Array { name: entry.name.clone(), shape: entry.body.shape().to_vec(), dtype, numbers })
}

fn integers(numbers: Numbers) -> Result<Vec<i64>, String> {
    match numbers {
        Numbers::Integers(all) => Ok(all),
        _ => Err("indices that are no integers".to_owned()),
    }
}

fn of(entry: &Entry, what: &str) -> String {
    format!("tensor {}: {what}", shown(&entry.name))
}

impl Body {
    /// Its shape.
    fn shape(&self) -> &[usize] {
        match self {
            Self::Dense(strided) => &strided.view.shape,
            Self::Coo { shape, .. } | Self::Compressed { shape, .. } => shape,
        }
    }

    /// What has to be read for it.
    fn parts(&self) -> Vec<&Strided> {
        match self {
            Self::Dense(strided) => vec![strided],
            Self::Coo { indices, values, .. } => vec![indices, values],
            Self::Compressed { starts, indices, values, .. } => vec![starts, indices, values],
        }
    }

    /// Bytes that its dense form takes beside its parts.
    fn dense_bytes(&self) -> usize {
        if let Self::Dense(_) = self {
            return 0;
        }
        self.shape().iter().fold(size_of::<i64>(), |n, d| n.saturating_mul(*d))
    }
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(v) => v.len(),
            Self::Bytes(v) => v.len(),
            Self::Integers(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
