//! What a network weighs: the file as it lies there, packed by common tools, and ideally.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, file};

/// Bytes of one checkpoint, counted in every way that is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// The safetensors file as it lies on disk, zeros and all.
    pub file: u64,
    /// Non-zero parameters x 32 bit: what would be left if positions cost nothing.
    pub ideal: u64,
    /// The file through gzip at its default level 6.
    pub gzip: u64,
    /// The file through zstd at its default level 3.
    pub zstd: u64,
}

/// Bytes as MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// `count` with its thousands apart: `9,228,362`.
///
/// # Panics
/// Never: digits are ASCII.
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> =
        groups.map(|g| std::str::from_utf8(g).expect("digits are ASCII")).collect();
    groups.join(",")
}

/// Measures the checkpoint at `path`, which holds `nonzero` parameters that are not zero.
pub fn measure(path: &Path, nonzero: u64) -> Result<Sizes> {
    let bytes = file::read(path)?;
    let (gzip, zstd) = compressed(&bytes)?;
    Ok(Sizes { file: bytes.len() as u64, ideal: nonzero * 4, gzip, zstd })
}

/// What `bytes` take through gzip and through zstd at their default levels.
pub fn compressed(bytes: &[u8]) -> Result<(u64, u64)> {
    let bad = |e: io::Error| Error::Resource(format!("cannot be compressed: {e}"));
    let mut gzip = GzEncoder::new(Count(0), Compression::default());
    gzip.write_all(bytes).map_err(bad)?;
    let gzip = gzip.finish().map_err(bad)?.0;
    let mut zstd = zstd::Encoder::new(Count(0), zstd::DEFAULT_COMPRESSION_LEVEL).map_err(bad)?;
    zstd.write_all(bytes).map_err(bad)?;
    let zstd = zstd.finish().map_err(bad)?.0;
    Ok((gzip, zstd))
}

/// A sink that only counts.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_groups_of_three() {
        let check = |count: u64, expected: &str| assert_eq!(thousands(count), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(9_228_362, "9,228,362");
    }

    #[test]
    fn zeros_pack_well_and_noise_does_not() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("f");
        file::write(&path, &vec![0; 100_000]).expect("writes");
        let s = measure(&path, 10).expect("measures");
        assert_eq!((s.file, s.ideal), (100_000, 40));
        assert!(s.gzip < 1000 && s.zstd < 1000, "{s:?}");
        let noise: Vec<u8> = (0_u64..100_000)
            .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u8 ^ ((i * i) >> 7) as u8)
            .collect();
        file::write(&path, &noise).expect("writes");
        assert!(measure(&path, 10).expect("measures").gzip > 10_000);
    }
}
