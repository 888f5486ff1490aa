//! Named tensors in safetensors files, checked on the way in and out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::{SafeTensors, View};
use safetensors::{Dtype, serialize};

use crate::{Error, Result, digest, file};

/// The values of one tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Bytes: images, masks.
    U8(Vec<u8>),
    /// 16-bit unsigned numbers: labels of more than 256 classes.
    U16(Vec<u16>),
}

/// A shape and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Row-major shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the shape's product.
    pub values: Values,
}

/// Tensors by name, in the order of names.
pub type Tensors = BTreeMap<String, Tensor>;

impl Tensor {
    /// An f32 tensor.
    pub fn f32(shape: &[usize], values: Vec<f32>) -> Self {
        Self { shape: shape.to_vec(), values: Values::F32(values) }
    }

    /// A byte tensor.
    pub fn u8(shape: &[usize], values: Vec<u8>) -> Self {
        Self { shape: shape.to_vec(), values: Values::U8(values) }
    }

    /// A tensor of 16-bit unsigned numbers.
    pub fn u16(shape: &[usize], values: Vec<u16>) -> Self {
        Self { shape: shape.to_vec(), values: Values::U16(values) }
    }

    /// Number of values.
    fn len(&self) -> usize {
        match &self.values {
            Values::F32(v) => v.len(),
            Values::U8(v) => v.len(),
            Values::U16(v) => v.len(),
        }
    }

    /// Its f32 values, if it is one.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Values::F32(v) = &self.values { Some(v) } else { None }
    }

    /// Its bytes, if it is a byte tensor.
    pub fn as_u8(&self) -> Option<&[u8]> {
        if let Values::U8(v) = &self.values { Some(v) } else { None }
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::U8(_) => Dtype::U8,
            Values::U16(_) => Dtype::U16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::F32(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Values::U8(v) => Cow::Borrowed(v),
            Values::U16(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::F32(v) => v.len() * 4,
            Values::U8(v) => v.len(),
            Values::U16(v) => v.len() * 2,
        }
    }
}

/// Writes `tensors` to `path`, durably. `note` becomes the one metadata entry `secateur`.
pub fn write(path: &Path, tensors: &Tensors, note: Option<&str>) -> Result<()> {
    let bytes =
        encode(tensors, note).map_err(|e| Error::Resource(format!("{}: {e}", path.display())))?;
    file::write(path, &bytes)
}

/// As [`write()`], with a digest of all that the file says, for [`read_sealed`]: for files that no
/// manifest lists, since their run is not finished.
pub fn write_sealed(path: &Path, tensors: &Tensors, note: &str) -> Result<()> {
    write(path, tensors, Some(&format!("{} {note}", seal(tensors, note))))
}

/// Reads what [`write_sealed`] wrote: the tensors and the note.
///
/// # Errors
/// As [`read`]; [`Error::Integrity`] where anything changed since.
pub fn read_sealed(path: &Path) -> Result<(Tensors, String)> {
    let (tensors, sealed) = read(path)?;
    let sealed = sealed.unwrap_or_default();
    match sealed.split_once(' ') {
        Some((digest, note)) if digest == seal(&tensors, note) => Ok((tensors, note.to_owned())),
        _ => Err(Error::Integrity(format!(
            "{}: its content is not what its digest says: it was changed since it was written, or \
             by an older version",
            path.display()
        ))),
    }
}

/// SHA-256 over the note and every tensor's name, type, shape and values.
fn seal(tensors: &Tensors, note: &str) -> String {
    let mut hash = digest::Stream::default();
    hash.add(note.as_bytes());
    for (name, tensor) in tensors {
        let header = format!("{name} {:?} {:?}", (&tensor).dtype(), tensor.shape);
        hash.add(header.as_bytes());
        hash.add(&(&tensor).data());
    }
    hash.finish()
}

/// The bytes that [`write()`] writes.
///
/// # Panics
/// If a tensor has another number of values than its shape says.
pub fn encode(tensors: &Tensors, note: Option<&str>) -> Result<Vec<u8>> {
    for (name, t) in tensors {
        let (expected, found) = (t.shape.iter().product::<usize>(), t.len());
        assert_eq!(found, expected, "tensor {name}: values for the shape {:?}", t.shape);
    }
    let metadata = note.map(|text| [("secateur".to_owned(), text.to_owned())].into());
    serialize(tensors.iter(), metadata)
        .map_err(|e| Error::Resource(format!("the tensors cannot be encoded: {e}")))
}

/// Reads every tensor of `path` and the metadata entry `secateur`.
///
/// Refuses repeated names, other element types, and NaN or infinity in f32 tensors.
pub fn read(path: &Path) -> Result<(Tensors, Option<String>)> {
    decode(&file::read(path)?, path)
}

/// As [`read`], from bytes; `path` is named in errors only.
pub fn decode(bytes: &[u8], path: &Path) -> Result<(Tensors, Option<String>)> {
    let bad = |what: String| Error::Integrity(format!("{}: {what}", path.display()));
    let parsed = SafeTensors::deserialize(bytes)
        .map_err(|e| bad(format!("not a whole safetensors file: {e:?}")))?;
    let (header, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|e| bad(format!("bad header: {e:?}")))?;
    no_repeats(&bytes[8..8 + header]).map_err(bad)?;
    let note = metadata.metadata().as_ref().and_then(|m| m.get("secateur").cloned());
    let mut tensors = Tensors::new();
    for (name, view) in parsed.iter() {
        if name.chars().any(char::is_control) {
            return Err(bad(format!("tensor name {name:?} holds control characters")));
        }
        let values = values(name, view.dtype(), view.data()).map_err(bad)?;
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
    }
    Ok((tensors, note))
}

fn values(name: &str, dtype: Dtype, data: &[u8]) -> Result<Values, String> {
    match dtype {
        Dtype::F32 => {
            let v: Vec<f32> = data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            match v.iter().position(|x| !x.is_finite()) {
                None => Ok(Values::F32(v)),
                Some(i) => Err(format!("tensor {name}: value {i} is {}; expected a number", v[i])),
            }
        }
        Dtype::U8 => Ok(Values::U8(data.to_vec())),
        Dtype::U16 => {
            let v = data.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b));
            Ok(Values::U16(v.collect()))
        }
        other => Err(format!("tensor {name}: element type {other:?}; expected F32, U8 or U16")),
    }
}

/// The safetensors reader keeps the last of two equal names; a file that has them is doubtful.
pub(crate) fn no_repeats(header: &[u8]) -> Result<(), String> {
    use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a header")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            let mut seen = BTreeSet::new();
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(name.clone()) {
                    let text = format!("tensor {name} stands twice in the header");
                    return Err(serde::de::Error::custom(text));
                }
            }
            Ok(())
        }
    }
    serde_json::Deserializer::from_slice(header).deserialize_map(Names).map_err(|e| e.to_string())
}

/// Checks that `tensors` holds exactly the f32 tensors of `table` (name, shape), no fewer, no more.
pub fn check_table(tensors: &Tensors, table: &[(&str, &[usize])], path: &Path) -> Result<()> {
    let bad = |what: String| Err(Error::Integrity(format!("{}: {what}", path.display())));
    for (name, shape) in table {
        match tensors.get(*name) {
            None => return bad(format!("tensor {name} {shape:?} is missing")),
            Some(t) if t.shape != *shape => {
                return bad(format!("tensor {name} has shape {:?}; expected {shape:?}", t.shape));
            }
            Some(t) if t.as_f32().is_none() => {
                return bad(format!("tensor {name} is not F32"));
            }
            Some(_) => {}
        }
    }
    let expected: BTreeSet<&str> = table.iter().map(|(n, _)| *n).collect();
    match tensors.keys().find(|n| !expected.contains(n.as_str())) {
        Some(name) => bad(format!("tensor {name} is surplus: the network has none of that name")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Tensors {
        [
            ("a".to_owned(), Tensor::f32(&[2, 2], vec![1.0, -2.0, 0.0, 0.5])),
            ("m".to_owned(), Tensor::u8(&[3], vec![0, 1, 1])),
            ("n".to_owned(), Tensor::f32(&[], vec![-7.0])),
            ("w".to_owned(), Tensor::u16(&[2], vec![1, 65_534])),
        ]
        .into()
    }

    fn saved(tensors: &Tensors) -> Vec<u8> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("t");
        write(&path, tensors, Some("note")).expect("writes");
        file::read(&path).expect("reads")
    }

    fn refused(bytes: &[u8], expected: &str) {
        let e = decode(bytes, Path::new("t")).expect_err("refused");
        assert_eq!(e.exit_code(), 5);
        assert!(e.to_string().contains(expected), "{e} lacks {expected}");
    }

    #[test]
    fn round_trip_and_same_bytes_each_time() {
        let bytes = saved(&sample());
        assert_eq!(bytes, saved(&sample()));
        let (back, note) = decode(&bytes, Path::new("t")).expect("reads");
        assert_eq!((back, note.as_deref()), (sample(), Some("note")));
    }

    #[test]
    fn a_seal_notices_every_change() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("t");
        write_sealed(&path, &sample(), r#"{"epoch":1}"#).expect("writes");
        let (tensors, note) = read_sealed(&path).expect("reads");
        assert_eq!((tensors, note.as_str()), (sample(), r#"{"epoch":1}"#));
        let bytes = file::read(&path).expect("reads");
        for at in 8..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            file::write(&path, &changed).expect("writes");
            // Another byte of the header may mean the same (white space); none of it another content.
            match read_sealed(&path) {
                Ok(same) => assert_eq!(same, (sample(), note.clone()), "byte {at}"),
                Err(e) => assert_eq!(e.exit_code(), 5, "byte {at}: {e}"),
            }
        }
        write(&path, &sample(), Some("as an older version wrote it")).expect("writes");
        assert_eq!(read_sealed(&path).expect_err("no seal").exit_code(), 5);
    }

    #[test]
    fn nan_and_truncation_are_refused() {
        let mut t = sample();
        t.insert("a".into(), Tensor::f32(&[1], vec![f32::NAN]));
        refused(&saved(&t), "tensor a: value 0 is NaN");
        let bytes = saved(&sample());
        for cut in [0, 4, 20, bytes.len() - 1] {
            refused(&bytes[..cut], "not a whole safetensors file");
        }
    }

    #[test]
    fn repeated_names_are_refused() {
        let entry = r#""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
        let header = format!("{{{entry},{entry}}}");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.push(1);
        refused(&bytes, "a");
    }

    #[test]
    fn the_table_is_exact() {
        let t: Tensors = [("a".to_owned(), Tensor::f32(&[2], vec![1.0, 2.0]))].into();
        let check = |table: &[(&str, &[usize])], expected: &str| {
            let found = check_table(&t, table, Path::new("t"));
            let text = found.map_or_else(|e| e.to_string(), |()| "fine".to_owned());
            assert!(text.contains(expected), "{text} lacks {expected}");
        };
        check(&[("a", &[2])], "fine");
        check(&[("a", &[1, 2])], "shape [2]; expected [1, 2]");
        check(&[("a", &[2]), ("b", &[1])], "tensor b [1] is missing");
        check(&[], "tensor a is surplus");
    }
}
