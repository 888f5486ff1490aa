//! Safetensors files too large for memory: written piece by piece, and read where they are wanted.
//!
//! The bytes are those of [`tensors::write`](crate::tensors::write()); the formats are one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use crate::tensors::no_repeats;
use crate::{Error, Result, file};

/// Bytes of the number that a file begins with, the length of its header.
const LENGTH: u64 = 8;
/// The longest header, as the safetensors format has it.
const MOST_HEADER: u64 = 100_000_000;

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Bytes.
    U8,
    /// 16-bit unsigned numbers, little-endian.
    U16,
}

/// Takes the next bytes of a tensor.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Hands on all bytes of a tensor, in order.
pub type Bytes<'a> = dyn Fn(&mut Sink) -> Result<()> + 'a;

/// A tensor to be written.
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its elements.
    pub element: Element,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes.
    pub bytes: Box<Bytes<'a>>,
}

/// Where the bytes of a tensor are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The type of its elements.
    pub element: Element,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where its bytes begin in the file.
    pub start: u64,
    /// How many there are.
    pub bytes: u64,
}

/// An opened file.
#[derive(Debug)]
pub struct Stored {
    /// The file; its own position is of no use.
    pub file: Arc<File>,
    /// Where it was opened, for errors.
    pub path: PathBuf,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Place>,
    /// The metadata entry `secateur`.
    pub note: Option<String>,
}

impl Element {
    fn dtype(self) -> Dtype {
        match self {
            Self::U8 => Dtype::U8,
            Self::U16 => Dtype::U16,
        }
    }

    fn of(dtype: Dtype) -> Option<Self> {
        [Self::U8, Self::U16].into_iter().find(|element| element.dtype() == dtype)
    }

    fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
        }
    }
}

impl Source<'_> {
    fn length(&self) -> usize {
        self.shape.iter().product::<usize>() * self.element.size()
    }
}

/// Writes `sources` to `path`, durably; `note` becomes the metadata entry `secateur`.
///
/// # Errors
/// Those of the sources, and [`Error::Resource`] where the disk refuses.
///
/// # Panics
/// If a source has another number of bytes than its shape says.
pub fn write(path: &Path, mut sources: Vec<Source>, note: Option<&str>) -> Result<()> {
    // As the format wants it: wide elements first, then by name.
    sources.sort_by(|a, b| b.element.dtype().cmp(&a.element.dtype()).then(a.name.cmp(b.name)));
    let header = header(&sources, note).map_err(|e| {
        Error::Resource(format!("{}: its header cannot be made: {e}", path.display()))
    })?;
    let failed = |e: std::io::Error| Error::write(path, &e);
    file::write_with(path, |file| {
        file.write_all(&header).map_err(failed)?;
        for source in &sources {
            let mut written = 0;
            (source.bytes)(&mut |piece| {
                written += piece.len();
                file.write_all(piece).map_err(failed)
            })?;
            assert_eq!(
                written,
                source.length(),
                "bytes of {} of shape {:?}",
                source.name,
                source.shape
            );
        }
        Ok(())
    })
}

/// The header with its length before it, padded to whole words.
fn header(sources: &[Source], note: Option<&str>) -> Result<Vec<u8>, String> {
    let mut end = 0;
    let place = |source: &Source| {
        let start = end;
        end += source.length();
        let (dtype, shape) = (source.element.dtype(), source.shape.clone());
        (source.name.to_owned(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    };
    let places = sources.iter().map(place).collect();
    let note = note.map(|text| [("secateur".to_owned(), text.to_owned())].into());
    let metadata = Metadata::new(note, places).map_err(|e| e.to_string())?;
    let mut text = serde_json::to_vec(&metadata).map_err(|e| e.to_string())?;
    text.resize(text.len().next_multiple_of(LENGTH as usize), b' ');
    Ok([&(text.len() as u64).to_le_bytes()[..], &text].concat())
}

impl Stored {
    /// Opens the file at `path` and reads its header.
    ///
    /// # Errors
    /// [`Error::Integrity`] where it is not whole, or a tensor's elements are neither U8 nor U16.
    pub fn open(path: &Path) -> Result<Self> {
        let (mut file, length) = file::open(path)?;
        let bad = |what: String| Error::Integrity(format!("{}: {what}", path.display()));
        let whole = |what: &str| bad(format!("not a whole safetensors file: {what}"));
        let mut read = |bytes: u64| {
            let mut found = vec![];
            (&mut file).take(bytes).read_to_end(&mut found).map_err(|e| Error::read(path, &e))?;
            if found.len() as u64 == bytes {
                Ok(found)
            } else {
                Err(whole("its header is cut off"))
            }
        };
        let size = read(LENGTH)?.try_into().map(u64::from_le_bytes).expect("eight bytes");
        if size > MOST_HEADER {
            return Err(whole("its header is too long"));
        }
        let header = read(size)?;
        no_repeats(&header).map_err(bad)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|e| bad(format!("bad header: {e}")))?;
        if LENGTH + size + metadata.data_len() as u64 != length {
            return Err(whole("it is longer or shorter than its header says"));
        }
        let tensors = places(&metadata, LENGTH + size).map_err(bad)?;
        let note = metadata.metadata().as_ref().and_then(|m| m.get("secateur").cloned());
        Ok(Self { file: Arc::new(file), path: path.to_owned(), tensors, note })
    }
}

/// The tensors of a file whose values begin at `data`.
fn places(metadata: &Metadata, data: u64) -> Result<BTreeMap<String, Place>, String> {
    let place = |name: String| {
        let info = metadata.info(&name).expect("one of its own names");
        let element = Element::of(info.dtype).ok_or_else(|| {
            format!("tensor {name} has elements {:?}; it is neither U8 nor U16", info.dtype)
        })?;
        let (start, end) = info.data_offsets;
        let (shape, bytes) = (info.shape.clone(), (end - start) as u64);
        Ok((name, Place { element, shape, start: data + start as u64, bytes }))
    };
    metadata.offset_keys().into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{self, Tensor, Tensors};

    /// Writes two tensors piece by piece.
    fn written(path: &Path) {
        let pieces = |sink: &mut Sink| (0..3_u8).try_for_each(|i| sink(&[i, 2 * i]));
        let labels = |sink: &mut Sink| sink(&[1, 0, 2, 1]);
        let images = Source {
            name: "a.images",
            element: Element::U8,
            shape: vec![2, 3],
            bytes: Box::new(pieces),
        };
        let labels = Source {
            name: "a.labels",
            element: Element::U16,
            shape: vec![2],
            bytes: Box::new(labels),
        };
        write(path, vec![images, labels], Some("note")).expect("writes");
    }

    #[test]
    fn pieces_make_the_same_file_as_whole_tensors() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (path, other) = (dir.path().join("a"), dir.path().join("b"));
        written(&path);
        let whole: Tensors = [
            ("a.images".to_owned(), Tensor::u8(&[2, 3], vec![0, 0, 1, 2, 2, 4])),
            ("a.labels".to_owned(), Tensor::u16(&[2], vec![1, 258])),
        ]
        .into();
        tensors::write(&other, &whole, Some("note")).expect("writes");
        assert_eq!(file::read(&path).expect("reads"), file::read(&other).expect("reads"));
    }

    #[test]
    fn values_are_where_the_header_says() {
        use std::os::unix::fs::FileExt as _;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a");
        written(&path);
        let stored = Stored::open(&path).expect("opens");
        assert_eq!(stored.note.as_deref(), Some("note"));
        let place = &stored.tensors["a.images"];
        assert_eq!((place.element, &place.shape[..], place.bytes), (Element::U8, &[2, 3][..], 6));
        let mut found = [0; 6];
        stored.file.read_exact_at(&mut found, place.start).expect("reads");
        assert_eq!(found, [0, 0, 1, 2, 2, 4]);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a");
        written(&path);
        let bytes = file::read(&path).expect("reads");
        let refused = |bytes: &[u8], expected: &str| {
            file::write(&path, bytes).expect("writes");
            let error = Stored::open(&path).expect_err("refused");
            assert_eq!(error.exit_code(), 5);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        refused(&bytes[..bytes.len() - 1], "longer or shorter");
        refused(&[&bytes[..], &[0]].concat(), "longer or shorter");
        refused(&bytes[..20], "cut off");
        refused(&[0xFF; 20], "too long");
        let floats: Tensors = [("a".to_owned(), Tensor::f32(&[1], vec![1.0]))].into();
        let floats = tensors::encode(&floats, None).expect("encodes");
        refused(&floats, "tensor a has elements F32; it is neither U8 nor U16");
    }
}
