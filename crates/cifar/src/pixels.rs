//! The bytes of images: in memory, or in a file from which they are read as they are wanted.

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use artifact::{Error, Result, digest, file, memory, size};

/// Bytes that are read or written at a time.
const PIECE: usize = 1 << 20;

/// Bytes in some place.
#[derive(Debug, Clone)]
pub enum Pixels {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file.
    File(InFile),
}

/// A part of an open file.
#[derive(Debug, Clone)]
pub struct InFile {
    file: Arc<File>,
    /// What errors call it.
    path: PathBuf,
    start: u64,
    bytes: usize,
}

impl Default for Pixels {
    fn default() -> Self {
        Self::Memory(vec![])
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes)
    }
}

impl Pixels {
    /// The `bytes` from `start` of the open `file`, which errors call `path`.
    pub fn in_file(file: Arc<File>, path: PathBuf, start: u64, bytes: usize) -> Self {
        Self::File(InFile { file, path, start, bytes })
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(part) => part.bytes,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in `range`; those in a file are read into `buffer`.
    ///
    /// # Errors
    /// As [`Error::read`].
    ///
    /// # Panics
    /// If `range` goes beyond the end.
    pub fn get<'a>(&'a self, range: Range<usize>, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        match self {
            Self::Memory(bytes) => Ok(&bytes[range]),
            Self::File(part) => {
                assert!(range.end <= part.bytes, "bytes {range:?} of {}", part.bytes);
                buffer.resize(range.len(), 0);
                let at = part.start + range.start as u64;
                part.file.read_exact_at(buffer, at).map_err(|e| Error::read(&part.path, &e))?;
                Ok(buffer)
            }
        }
    }

    /// Hands on all bytes in order, some at a time.
    ///
    /// # Errors
    /// Those of `take`, and as [`Error::read`].
    pub fn pieces(&self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![];
        for start in (0..self.len()).step_by(PIECE) {
            take(self.get(start..(start + PIECE).min(self.len()), &mut buffer)?)?;
        }
        Ok(())
    }

    /// All bytes, in memory.
    ///
    /// # Errors
    /// [`Error::Resource`] where there is not enough memory, else as [`Error::read`].
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        let mut all = vec![];
        all.try_reserve_exact(self.len()).map_err(|_| {
            Error::Resource(format!("{} bytes of images do not fit into memory", self.len()))
        })?;
        self.pieces(&mut |piece| {
            all.extend(piece);
            Ok(())
        })?;
        Ok(all)
    }

    /// SHA-256 of all bytes.
    ///
    /// # Errors
    /// As [`Error::read`].
    pub fn digest(&self) -> Result<String> {
        let mut running = digest::Running::default();
        self.pieces(&mut |piece| {
            running.add(piece);
            Ok(())
        })?;
        Ok(running.finish())
    }
}

/// Where bytes are gathered that may be more than memory holds.
#[derive(Debug, Clone)]
pub struct Room {
    /// A path on the disk that takes those beyond `memory`, in a file without a name.
    pub near: PathBuf,
    /// The most bytes that are kept in memory.
    pub memory: usize,
}

impl Room {
    /// Room on the disk of `near`; in memory a quarter of what is left of it, and no more than 128 MiB.
    pub fn near(near: &Path) -> Self {
        const MOST: u64 = 128 << 20;
        let left = memory::available().map_or(MOST, |left| left / 4);
        Self { near: near.to_owned(), memory: left.min(MOST) as usize }
    }
}

/// Bytes that are gathered one after the other.
pub(crate) struct Gathered {
    pixels: Pixels,
    near: PathBuf,
}

impl Gathered {
    /// Room for `bytes`, known beforehand.
    pub(crate) fn new(bytes: usize, room: &Room) -> Result<Self> {
        let pixels = if bytes <= room.memory {
            Pixels::Memory(Vec::with_capacity(bytes))
        } else {
            let (mib, place) = (size::mib(bytes as u64), room.near.display());
            tracing::debug!(
                "{mib:.0} MiB of images are gathered in a file without a name near {place}"
            );
            let file = Arc::new(file::scratch(&room.near)?);
            Pixels::in_file(file, room.near.clone(), 0, 0)
        };
        Ok(Self { pixels, near: room.near.clone() })
    }

    /// Adds the next bytes.
    pub(crate) fn add(&mut self, more: &[u8]) -> Result<()> {
        match &mut self.pixels {
            Pixels::Memory(bytes) => bytes.extend(more),
            Pixels::File(part) => {
                (&*part.file).write_all(more).map_err(|e| Error::write(&self.near, &e))?;
                part.bytes += more.len();
            }
        }
        Ok(())
    }

    /// All that was added.
    pub(crate) fn finish(self) -> Pixels {
        self.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_in_memory_and_in_a_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let expected: Vec<u8> = (0..3 * PIECE + 5).map(|i| (i % 251) as u8).collect();
        for memory in [0, expected.len()] {
            let room = Room { near: dir.path().join("out"), memory };
            let mut gathered = Gathered::new(expected.len(), &room).expect("fits");
            expected.chunks(99_991).for_each(|piece| gathered.add(piece).expect("writes"));
            let pixels = gathered.finish();
            assert_eq!(matches!(pixels, Pixels::File(_)), memory == 0);
            let mut buffer = vec![];
            let found = pixels.get(PIECE - 1..PIECE + 2, &mut buffer).expect("reads");
            assert_eq!(found, &expected[PIECE - 1..PIECE + 2]);
            assert_eq!(pixels.to_vec().expect("reads"), expected);
            assert_eq!(pixels.digest().expect("reads"), digest::of_bytes(&expected));
        }
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 0);
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = Arc::new(file::scratch(&dir.path().join("x")).expect("makes"));
        let pixels = Pixels::in_file(file, "dataset".into(), 0, 4);
        let error = pixels.to_vec().expect_err("nothing is there");
        assert!(error.to_string().starts_with("dataset: cannot be read"), "{error}");
    }
}
