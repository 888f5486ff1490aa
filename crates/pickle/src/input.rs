//! The bytes of a pickle, taken from the front.

/// What is left to read, and how much was read.
pub struct Input<'a> {
    bytes: &'a [u8],
    /// Bytes read so far.
    pub at: usize,
}

impl<'a> Input<'a> {
    /// From the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Number of bytes left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: u64) -> Result<&'a [u8], String> {
        let left = &self.bytes[self.at..];
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let Some(found) = left.get(..n) else {
            return Err(format!("expected {n} more bytes, found {}: truncated", left.len()));
        };
        self.at += n;
        Ok(found)
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// The next `size` (up to 8) bytes as an unsigned number, little-endian.
    pub fn number(&mut self, size: u64) -> Result<u64, String> {
        Ok(self.take(size)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// What follows a length of `size` bytes.
    pub fn counted(&mut self, size: u64) -> Result<&'a [u8], String> {
        let n = self.number(size)?;
        self.take(n)
    }

    /// The bytes before the next line feed, which is read too.
    pub fn line(&mut self) -> Result<&'a [u8], String> {
        let left = &self.bytes[self.at..];
        let end =
            left.iter().position(|b| *b == b'\n').ok_or("a line without an end: truncated")?;
        let line = self.take(end as u64);
        self.at += 1;
        line
    }

    /// As [`Input::line`], as text.
    pub fn text_line(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.line()?).map_err(|_| "a line that is not UTF-8".to_owned())
    }
}
