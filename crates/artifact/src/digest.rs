//! SHA-256 of files and bytes, in lower-case hexadecimal.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Result, file};

/// Digest of `bytes`.
pub fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Digest and length of the file at `path`.
pub fn of_file(path: &Path) -> Result<(String, u64)> {
    let (mut file, _) = file::open(path)?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::read(path, &e))?;
        if n == 0 {
            return Ok((hex(&hash.finalize()), length));
        }
        hash.update(&buffer[..n]);
        length += n as u64;
    }
}

/// Digest of `bytes` as it is, not as text.
pub fn raw(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The digest of bytes that come piece by piece: the same as [`of_bytes`] of them all.
#[derive(Default)]
pub struct Running(Sha256);

impl Running {
    /// Adds the next bytes.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all bytes.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// A digest of several pieces, each with its length, so that no two lists of pieces are alike.
#[derive(Default)]
pub struct Stream(Sha256);

impl Stream {
    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update((piece.len() as u64).to_le_bytes());
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, b| {
        write!(text, "{b:02x}").expect("writing to a String cannot fail");
        text
    })
}
