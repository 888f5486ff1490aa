//! `NumPy`'s archive: a zip of one `.npy` file a tensor.

use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result, file};
use graph::Graph;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The most bytes of an array that is read.
const MOST_BYTES: u64 = 1 << 32;

/// An array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

impl Array {
    /// Refuses the array `name` of `file` unless its shape is what `graph` expects.
    ///
    /// # Errors
    /// [`Error::Config`] with both shapes.
    pub fn check(&self, (file, name): (&Path, &str), graph: &Graph, shape: &[usize]) -> Result<()> {
        if self.shape == shape && shape[0] > 0 {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{}: array {name} has shape {:?}; the network {} expects {shape:?} with 1 image or more",
            file.display(),
            self.shape,
            graph.name()
        )))
    }
}

/// The arrays `names` of the archive at `path`: f32, f64 or i64, row-major, little-endian.
///
/// # Errors
/// [`Error::Config`] where it is no such archive, or lacks one of them.
pub fn read<const N: usize>(path: &Path, names: [&str; N]) -> Result<[Array; N]> {
    let bad = |what: String| Error::Config(format!("{}: {what}", path.display()));
    let bytes = file::read_at_most(path, MOST_BYTES)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| bad(format!("not an .npz archive: {e}")))?;
    let mut of = |name: &str| -> Result<Array> {
        let mut entry = archive.by_name(&format!("{name}.npy")).map_err(|e| {
            bad(format!("array {name}: {e}; expected arrays {}", names.join(" and ")))
        })?;
        let mut bytes = vec![];
        let read = (&mut entry).take(MOST_BYTES).read_to_end(&mut bytes);
        read.map_err(|e| bad(format!("array {name}: {e}")))?;
        array(&bytes).map_err(|what| bad(format!("array {name}: {what}")))
    };
    let mut all = vec![];
    for name in names {
        all.push(of(name)?);
    }
    Ok(all.try_into().expect("one for each name"))
}

/// The array of an `.npy` file.
fn array(bytes: &[u8]) -> Result<Array, String> {
    let header = match bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            10..10 + usize::from(u16::from_le_bytes([*a, *b]))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            12..12 + u32::from_le_bytes([*a, *b, *c, *d]) as usize
        }
        _ => return Err("not an array of NumPy".into()),
    };
    let text = bytes.get(header.clone()).and_then(|h| std::str::from_utf8(h).ok());
    let text = text.ok_or("its header is cut off")?;
    let after =
        |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ']));
    let kind = after("'descr'").and_then(|rest| rest.split('\'').nth(1)).unwrap_or_default();
    if after("'fortran_order'").is_none_or(|rest| !rest.starts_with("False")) {
        return Err("in Fortran order; save it through numpy.ascontiguousarray".into());
    }
    let sizes = after("'shape'").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let sizes = sizes.ok_or("its header has no shape")?.0;
    let shape: Option<Vec<usize>> =
        sizes.split(',').map(str::trim).filter(|n| !n.is_empty()).map(|n| n.parse().ok()).collect();
    let shape = shape.ok_or_else(|| format!("its shape is ({sizes})"))?;
    let values = &bytes[header.end..];
    let values: Vec<f32> = match kind {
        "<f4" => values.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        "<f8" => values.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        "<i8" => values.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
        other => return Err(format!("of type {other:?}; expected float32, float64 or int64")),
    };
    let count = shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size));
    if count != Some(values.len()) {
        return Err(format!("{} values of shape {shape:?}", values.len()));
    }
    Ok(Array { shape, values })
}

/// The bytes of an archive with every tensor of `tensors` under its name.
pub fn encode(tensors: &Tensors) -> Result<Vec<u8>> {
    let failed = |e: zip::result::ZipError| Error::Resource(format!("an .npz archive: {e}"));
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // A fixed date: the same tensors give the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, tensor) in tensors {
        archive.start_file(format!("{name}.npy"), options).map_err(failed)?;
        archive.write_all(&npy(tensor)).map_err(|e| failed(e.into()))?;
    }
    Ok(archive.finish().map_err(failed)?.into_inner())
}

/// Version 1.0 of the format: magic, header length, header padded to 64 bytes, values.
fn npy(tensor: &Tensor) -> Vec<u8> {
    let sizes = tensor.shape.iter().fold(String::new(), |text, n| text + &format!("{n},"));
    let descr = if tensor.as_u8().is_some() { "|u1" } else { "<f4" };
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let ends = (10 + header.len() + 1).next_multiple_of(64);
    header.extend(std::iter::repeat_n(' ', ends - 11 - header.len()));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(tensor.as_u8().unwrap_or_default());
    bytes.extend(tensor.as_f32().unwrap_or_default().iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a.npz");
        let tensors = Tensors::from([
            ("input".to_owned(), Tensor::f32(&[2, 3], vec![1.0, 2.0, 3.0, -1.0, 0.5, 0.25])),
            ("output".to_owned(), Tensor::f32(&[2], vec![4.0, 5.0])),
        ]);
        file::write(&path, &encode(&tensors).expect("encodes")).expect("writes");
        let [output, input] = read(&path, ["output", "input"]).expect("reads");
        assert_eq!((output.shape, output.values), (vec![2], vec![4.0, 5.0]));
        assert_eq!((input.shape, input.values[3]), (vec![2, 3], -1.0));
        let check = |found: Result<[Array; 1]>, expected: &str| {
            let error = found.expect_err("refused").to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        };
        check(read(&path, ["logits"]), "array logits:");
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n";
        let numbers = [7_i64, -1].map(i64::to_le_bytes).concat();
        let bytes = [
            b"\x93NUMPY\x01\x00".as_slice(),
            &[header.len() as u8, 0],
            header.as_bytes(),
            &numbers,
        ];
        assert_eq!(array(&bytes.concat()).expect("reads").values, [7.0, -1.0]);
        let bytes = Tensors::from([("x".to_owned(), Tensor::u8(&[1], vec![1]))]);
        file::write(&path, &encode(&bytes).expect("encodes")).expect("writes");
        check(read(&path, ["x"]), "of type \"|u1\"; expected float32, float64 or int64");
        file::write(&path, b"nothing").expect("writes");
        check(read(&path, ["x"]), "not an .npz archive");
    }

    #[test]
    fn headers_are_aligned_and_values_follow() {
        let check = |shape: &[usize], expected: &str| {
            let count: usize = shape.iter().product();
            let bytes = npy(&Tensor::f32(shape, vec![1.5; count]));
            let values = bytes.len() - 4 * count;
            assert!(values.is_multiple_of(64), "{values}");
            let header = String::from_utf8_lossy(&bytes[10..values]);
            assert!(header.contains(expected) && header.ends_with('\n'), "{header}");
            assert_eq!(bytes[values..], 1.5_f32.to_le_bytes().repeat(count));
            assert_eq!(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), values - 10);
        };
        check(&[2, 3], "'shape': (2,3,), ");
        check(&[4], "'descr': '<f4', 'fortran_order': False, 'shape': (4,), ");
        check(&[], "'shape': (), ");
    }
}
