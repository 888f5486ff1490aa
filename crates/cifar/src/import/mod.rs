//! Reading image sets that others made.
//!
//! A source is a folder or an archive. Only files with names that one of the three layouts uses
//! are read, into memory; the decoders below are pure functions of those bytes. Nothing is
//! unpacked to disk and nothing in a file is executed.

mod archive;
mod binary;
mod disk;
mod folder;
mod layout;
mod numpy;
mod official;
mod python;

use std::collections::BTreeMap;
use std::path::Path;

use artifact::{Error, Result};

use crate::{Raw, raw};
use layout::Layout;

/// Which labels are taken of a set that has two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// The many classes.
    Fine,
    /// The few classes that these are grouped into.
    Coarse,
}

/// The files of one set, by their path inside it.
struct Tree {
    /// Where they came from, for errors.
    origin: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// The content of `name`, which the layout requires.
    fn file(&self, name: &str) -> Result<&[u8]> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| {
            let found: Vec<_> = self.files.keys().map(String::as_str).collect();
            let found = found.join(", ");
            Error::Missing(format!("{}: no such file (found: {found})", self.place(name)))
        })
    }

    /// `name` as errors call it.
    fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }
}

/// Reads the set at `source`: a folder, its parent, or a `.tar` or `.tar.gz` of either.
pub fn read(source: &Path) -> Result<Raw> {
    let (layout, tree) = if source.is_dir() { disk::read(source)? } else { archive::read(source)? };
    let set = match layout {
        Layout::Binary => binary::decode(&tree)?,
        Layout::Python => python::decode(&tree)?,
        Layout::HundredPython => {
            let (classes, train, test) = python::hundred(&tree, Labels::Fine)?;
            Raw { source: "cifar-100-python", classes, side: official::SIDE, train, test }
        }
        Layout::Images => folder::decode(&tree)?,
    };
    raw::check_classes(&set.classes, &tree.origin)?;
    Ok(set)
}
