//! The metadata of a packed file: a JSON text under the key `secateur`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use artifact::manifest::Network;
use artifact::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{Info, Integers, Options, Values};

/// The format that this program writes.
pub const FORMAT: u32 = 2;
/// The format before, whose networks are named and hold no graph; it is read too.
const NAMED: u32 = 1;

/// What the file says of itself. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Format of the file.
    pub format: u32,
    /// What kind of file it is.
    pub kind: Kind,
    /// The network; its graph's text stands in a tensor of its own.
    pub network: Network,
    /// Bytes of that text; none in format 1, whose networks are those of the zoo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph_bytes: Option<usize>,
    /// What it was trained on.
    pub info: Info,
    /// How it was packed.
    pub options: Options,
    /// What activations in integers stand for; none where they are floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integers: Option<Integers>,
    /// The coded tensors; one that is not named here is plain f32 under its own name.
    pub tensors: BTreeMap<String, Entry>,
}

/// The one kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A packed checkpoint.
    Packed,
}

/// How one tensor is coded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// How many of its values are kept.
    pub kept: usize,
    /// How their positions are stored, in `NAME:positions`.
    pub positions: Positions,
    /// How the values are stored, in `NAME:values`, `NAME:scales` and `NAME:codebook`.
    pub values: Values,
    /// Stored bytes of each plane of `NAME:values`; fewer than the plane has are a zstd frame.
    pub planes: Vec<usize>,
}

/// How a tensor's positions are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// Not at all: there is no mask.
    None,
    /// Not at all: the mask keeps everything.
    All,
    /// One bit a value, the first in the lowest bit.
    Bitmask,
    /// Gaps as bytes in a zstd frame.
    Entropy,
    /// The same between blocks of four input channels, which are kept as a whole.
    Blocks,
}

impl Positions {
    /// Whether there is a tensor of them.
    pub(crate) fn are_stored(self) -> bool {
        match self {
            Self::None | Self::All => false,
            Self::Bitmask | Self::Entropy | Self::Blocks => true,
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::All => "all",
            Self::Bitmask => "bitmask",
            Self::Entropy => "entropy",
            Self::Blocks => "blocks",
        })
    }
}

impl Record {
    /// As JSON without spaces.
    ///
    /// # Panics
    /// If it holds a number that is none: what is packed was checked.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("a record is plain maps, lists and finite numbers")
    }

    /// Parses `text`; `path` is named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        /// All that a later format is sure to have.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            kind: Kind,
        }
        let bad = |what: String| Error::Config(format!("{}: {what}", path.display()));
        let Version { format, kind: Kind::Packed } = serde_json::from_str(text)
            .map_err(|e| bad(format!("not a packed file: its metadata: {e}")))?;
        if format > FORMAT {
            return Err(bad(format!(
                "made by a newer version: format {format}; this one reads up to {FORMAT}; use the \
                 newer version or pack the checkpoint again"
            )));
        }
        if ![NAMED, FORMAT].contains(&format) {
            return Err(bad(format!("format {format}; expected {NAMED} or {FORMAT}")));
        }
        let broken = |e| Error::Integrity(format!("{}: bad metadata: {e}", path.display()));
        serde_json::from_str(text).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        let check = |text: &str, code: u8, expected: &str| {
            let error = Record::parse(text, Path::new("p")).expect_err("not ours");
            assert_eq!(error.exit_code(), code, "{error}");
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        let newer = "made by a newer version: format 3; this one reads up to 2";
        check(r#"{"format":3,"kind":"packed","more":[]}"#, 3, newer);
        check(r#"{"format":0,"kind":"packed"}"#, 3, "format 0; expected 1 or 2");
        check(r#"{"format":1,"kind":"mask"}"#, 3, "not a packed file");
        check("{}", 3, "missing field `format`");
        check(r#"{"format":1,"kind":"packed"}"#, 5, "bad metadata: missing field `network`");
        check(r#"{"format":1,"kind":"packed","x":0}"#, 5, "unknown field `x`");
    }
}
