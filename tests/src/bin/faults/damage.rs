//! What happens to bytes that lie on a disk: bits turn, ends are lost, lines come twice.

use std::fmt;

use seed::Stream;

/// One damage to a file.
#[derive(Debug, Clone)]
pub enum Damage {
    /// One bit is the other.
    Flip {
        /// Where: a share of the file's length.
        at: f64,
        /// Which of the eight.
        bit: u8,
    },
    /// The file ends early, after this share of its length.
    Cut(f64),
    /// Something follows the file's end.
    Longer,
    /// One line comes twice.
    Twice,
    /// The last line is gone.
    LineLost,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Flip { at, bit } => write!(f, "bit-{bit}-at-{:.3}%", at * 100.0),
            Self::Cut(share) => write!(f, "cut-at-{:.1}%", share * 100.0),
            Self::Longer => f.write_str("longer"),
            Self::Twice => f.write_str("line-twice"),
            Self::LineLost => f.write_str("line-lost"),
        }
    }
}

impl Damage {
    /// All kinds for a file, `flips` of them turned bits at places that `stream` chooses.
    pub fn all(flips: usize, lines: bool, stream: &mut Stream) -> Vec<Self> {
        let flip = |i: usize, stream: &mut Stream| Self::Flip {
            at: (i as f64 + stream.unit()) / flips as f64,
            bit: (stream.bits() % 8) as u8,
        };
        let mut all: Vec<Self> = (0..flips).map(|i| flip(i, stream)).collect();
        all.extend([Self::Cut(0.0), Self::Cut(0.5), Self::Cut(0.999), Self::Longer]);
        if lines {
            all.extend([Self::Twice, Self::LineLost]);
        }
        all
    }

    /// `bytes` after it.
    pub fn done_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Flip { at, bit } if !bytes.is_empty() => {
                let at = (at * bytes.len() as f64) as usize;
                let last = bytes.len() - 1;
                bytes[at.min(last)] ^= 1 << bit;
            }
            Self::Flip { .. } => {}
            Self::Cut(share) => bytes.truncate((share * bytes.len() as f64) as usize),
            Self::Longer => bytes.extend(b"{}\n"),
            Self::Twice => {
                let line: Vec<u8> =
                    bytes.split_inclusive(|b| *b == b'\n').next().unwrap_or(&[]).to_vec();
                bytes.splice(0..0, line);
            }
            Self::LineLost => {
                let end = bytes.len().saturating_sub(1);
                let keep = bytes[..end].iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
                bytes.truncate(keep);
            }
        }
        bytes
    }
}

/// `bytes` changed in one to four places, as a hostile or broken writer might.
pub fn mutated(bytes: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=stream.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = stream.below(bytes.len());
        let until = (at + 1 + stream.below(16)).min(bytes.len());
        match stream.below(8) {
            0 | 1 => bytes[at] ^= 1 << stream.below(8),
            2 => bytes[at] = stream.bits() as u8,
            3 => bytes[at..until].fill([0x00, 0xff, 0x7f, 0x80][stream.below(4)]),
            4 => drop(bytes.drain(at..until)),
            5 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(at..at, again);
            }
            6 => bytes.truncate(at),
            _ => {
                let other = stream.below(bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    bytes
}
