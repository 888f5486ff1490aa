//! A place in the bytes of a pickle.

/// The bytes and how many of them were read.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// Bytes read.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.get(..n));
        let found = found.ok_or_else(|| format!("{n} bytes wanted; the file is truncated"))?;
        self.at += n;
        Ok(found)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of 1, 2 or 4 bytes.
    pub fn unsigned(&mut self, width: usize) -> Result<u32, String> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    /// The text up to the next line feed, which is passed over.
    pub fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|b| *b == b'\n').ok_or("a name without an end")?;
        let line = std::str::from_utf8(&rest[..n]).map_err(|_| "a name is not UTF-8")?.to_owned();
        self.at += n + 1;
        Ok(line)
    }
}
