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

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, b| {
        write!(text, "{b:02x}").expect("writing to a String cannot fail");
        text
    })
}
