//! A gzip stream read to its very end.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The content of all members of a gzip stream, one after the other.
///
/// Each member's checksum and length are compared before the end is reported. Zeros may follow the last
/// member (tapes are padded so); anything else is an error.
pub struct Members<R: BufRead> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    /// Of a stream that begins with a member.
    pub fn new(stream: R) -> Self {
        Self { member: Some(GzDecoder::new(stream)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let rest = self.member.take().map(GzDecoder::into_inner);
            self.member = rest.map(following).transpose()?.flatten().map(GzDecoder::new);
        }
        Ok(0)
    }
}

/// The stream itself where another member follows.
fn following<R: BufRead>(mut stream: R) -> io::Result<Option<R>> {
    let mut padded = false;
    loop {
        let rest = stream.fill_buf()?;
        let zeros = rest.iter().take_while(|b| **b == 0).count();
        match rest.get(zeros) {
            None if rest.is_empty() => return Ok(None),
            None => {}
            Some(0x1F) if zeros == 0 && !padded => return Ok(Some(stream)),
            Some(_) => return Err(io::Error::other("something else follows the compressed data")),
        }
        padded |= zeros > 0;
        stream.consume(zeros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        gzip.write_all(content).expect("into memory");
        gzip.finish().expect("into memory")
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut all = vec![];
        Members::new(bytes).read_to_end(&mut all).map_err(|e| e.to_string())?;
        Ok(all)
    }

    #[test]
    fn all_members_are_read_and_only_zeros_may_follow() {
        let two = [member(b"one "), member(b""), member(b"two")].concat();
        assert_eq!(read(&two).expect("whole"), b"one two");
        assert_eq!(read(&[&two[..], &[0; 700]].concat()).expect("padded"), b"one two");
        for rest in [&b"x"[..], b"\0\0x", &[0x1F], &[0x1F, 0x8B, 7]] {
            assert!(read(&[&two[..], rest].concat()).is_err(), "{rest:?}");
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_goes_unnoticed() {
        let content: Vec<u8> = (0..999_u32).map(|i| (i * i % 251) as u8).collect();
        let whole = member(&content);
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).is_err(), "{cut}");
        }
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // The header holds a time and a system, which no checksum covers.
            assert!(read(&bytes).is_ok_and(|found| found == content) || read(&bytes).is_err());
        }
    }
}
