//! Reading image sets that others made.
//!
//! A source is a folder or an archive. All its names are listed first; those that a layout uses are read
//! into memory, all others are counted by why they are passed over. The decoders below are pure functions
//! of the bytes read. Nothing is unpacked to disk and nothing in a file is executed.

mod archive;
mod binary;
mod disk;
mod folder;
mod gzip;
mod hundred;
mod idx;
mod layout;
mod numpy;
mod official;
mod python;
mod sorted;

use std::collections::BTreeMap;
use std::path::Path;

use artifact::record::PassedOver;
use artifact::{Error, Result, file};

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
        artifact::printable(&format!("{}/{name}", self.origin))
    }
}

/// `error` with what was passed over: it may be what is missing.
fn with_passed(error: Error, passed: &[PassedOver]) -> Error {
    match (crate::told(passed), error) {
        (Some(told), Error::Config(what)) => Error::Config(format!("{what}; {told}")),
        (_, error) => error,
    }
}

/// Reads the set at `source`: a folder, its parent, or a `.tar`, `.tar.gz` or `.zip` of either. `labels`
/// are for sets that have two kinds (fine ones where it is not given).
///
/// # Errors
/// [`Error::Missing`] where there is no set or a file of it is missing, [`Error::Integrity`] where a file
/// is not whole, [`Error::Config`] where it is whole and cannot be used.
pub fn read(source: &Path, labels: Option<Labels>) -> Result<Raw> {
    let (sorted, tree) =
        if file::is_folder(source)? { disk::read(source)? } else { archive::read(source)? };
    let layout = sorted.set.layout;
    let hundred = matches!(layout, Layout::HundredBinary | Layout::HundredPython);
    if labels.is_some() && !hundred {
        return Err(Error::Config(format!(
            "{}: has one kind of labels; --labels is for CIFAR-100",
            tree.origin
        )));
    }
    let labels = labels.unwrap_or(Labels::Fine);
    let mut set = match layout {
        Layout::Binary => binary::decode(&tree)?,
        Layout::Python => python::decode(&tree)?,
        Layout::HundredBinary => hundred::binary(&tree, labels)?,
        Layout::HundredPython => python::hundred(&tree, labels)?,
        Layout::Idx => idx::decode(&tree, &sorted.set.prefix)?,
        Layout::Images => folder::decode(&tree, &sorted.folders)?,
    };
    raw::check_classes(&set.classes, &tree.origin).map_err(|e| with_passed(e, &sorted.passed))?;
    set.passed_over = sorted.passed;
    Ok(set)
}
