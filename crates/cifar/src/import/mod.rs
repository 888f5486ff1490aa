//! Reading image sets that others made.
//!
//! A source is a folder or an archive. All its names are listed first; those that a layout uses are read
//! into memory, pictures in a folder one by one as they are wanted, and all others are counted by why they
//! are passed over. The decoders below are pure functions of the bytes read. Nothing is unpacked to disk and
//! nothing in a file is executed.

mod archive;
mod arrays;
mod binary;
mod convert;
mod disk;
mod folder;
mod gzip;
mod hundred;
mod idx;
mod layout;
mod numpy;
mod official;
mod part;
mod pictures;
mod python;
mod remarks;
mod sorted;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifact::record::{ImageShape, PassedOver};
use artifact::{Error, Result, file};

use crate::{Fitting, Raw, Room, photo, raw, split, store};
use layout::Layout;

/// The largest side of an image in pixels.
pub const MOST_SIDE: usize = 4096;

/// Which labels are taken of a set that has two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// The many classes.
    Fine,
    /// The few classes that these are grouped into.
    Coarse,
}

/// Training images that are set apart for testing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetApart {
    /// Fraction of the training images.
    pub fraction: f64,
    /// Seed of the choice.
    pub seed: u64,
}

/// How many images a set is going to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// To train on.
    pub train: usize,
    /// To validate, where the source has a part for that.
    pub validation: Option<usize>,
    /// To test.
    pub test: usize,
}

/// Watches pictures being decoded, and may stop that by returning an error.
pub trait Watch {
    /// So many pictures were found, and are going to be decoded.
    ///
    /// # Errors
    /// Where that is not worth while.
    fn planned(&self, planned: Planned) -> Result<()>;

    /// So many more were decoded.
    ///
    /// # Errors
    /// Where no more are wanted.
    fn decoded(&self, images: usize) -> Result<()>;
}

/// How a set is read.
pub struct Options<'a> {
    /// Which labels are taken of a set that has two kinds; fine ones where it is not given.
    pub labels: Option<Labels>,
    /// The size that images get. Where it is not given they keep their own, which is then one for all.
    pub fitting: Option<Fitting>,
    /// Channels that images get, one or three. Where it is not given pictures and IDX files get three, and
    /// all others keep their own.
    pub channels: Option<usize>,
    /// Training images that become the test part of a set without one.
    pub set_apart: Option<SetApart>,
    /// Where decoded pictures are gathered.
    pub room: Room,
    /// Who looks on.
    pub watch: &'a dyn Watch,
}

/// The files of one set, by their path inside it.
struct Tree {
    /// Where they came from, for errors.
    origin: String,
    files: BTreeMap<String, Vec<u8>>,
    /// The folder whose pictures are read as they are wanted: they are not among `files`.
    pictures: Option<PathBuf>,
}

impl Tree {
    #[cfg(test)]
    fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { origin: "d".into(), files, pictures: None }
    }

    /// The content of `name`, which the layout requires.
    fn file(&self, name: &str) -> Result<&[u8]> {
        self.files.get(name).map(Vec::as_slice).ok_or_else(|| {
            let found: Vec<_> = self.files.keys().map(String::as_str).collect();
            let found = found.join(", ");
            Error::Missing(format!("{}: no such file (found: {found})", self.place(name)))
        })
    }

    /// The content of a picture.
    fn picture(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        match &self.pictures {
            Some(folder) => {
                file::read_at_most(&folder.join(name), photo::MOST_FILE).map(Cow::Owned)
            }
            None => self.file(name).map(Cow::Borrowed),
        }
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

/// Refuses images larger than [`MOST_SIDE`], and empty ones.
fn check_size(shape: ImageShape, place: &str) -> Result<()> {
    let fits = |side: usize| (1..=MOST_SIDE).contains(&side);
    if fits(shape.height) && fits(shape.width) {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{place}: images of {shape}; expected sides of 1 to {MOST_SIDE} pixels"
    )))
}

/// The same set with some of its training images as its test part.
fn set_apart(set: Raw, how: SetApart) -> Result<Raw> {
    let (kept, held) = split::test(set.train.len(), how.fraction, how.seed)?;
    let (train, test) = (set.train.some(&kept)?, set.train.some(&held)?);
    Ok(Raw { train, test, ..set })
}

/// Reads the set at `source`: a folder, its parent, or a `.tar`, `.tar.gz` or `.zip` of either.
///
/// # Errors
/// [`Error::Missing`] where there is no set or a file of it is missing, [`Error::Integrity`] where a file
/// is not whole, [`Error::Config`] where it is whole and cannot be used; those of the watch.
pub fn read(source: &Path, options: &Options) -> Result<Raw> {
    let (sorted, tree) =
        if file::is_folder(source)? { disk::read(source)? } else { archive::read(source)? };
    let layout = sorted.set.layout;
    let hundred = matches!(layout, Layout::HundredBinary | Layout::HundredPython);
    if options.labels.is_some() && !hundred {
        return Err(Error::Config(format!(
            "{}: has one kind of labels; --labels is for CIFAR-100",
            tree.origin
        )));
    }
    let labels = options.labels.unwrap_or(Labels::Fine);
    let check = |classes: &[String]| {
        raw::check_classes(classes, &tree.origin).map_err(|e| with_passed(e, &sorted.passed))
    };
    let set = match layout {
        Layout::Binary => binary::decode(&tree)?,
        Layout::Python => python::decode(&tree)?,
        Layout::HundredBinary => hundred::binary(&tree, labels)?,
        Layout::HundredPython => python::hundred(&tree, labels)?,
        Layout::Idx => idx::decode(&tree, &sorted.set.prefix)?,
        Layout::Arrays => arrays::decode(&tree)?,
        Layout::Images | Layout::Classes => {
            let mut found = folder::find(&tree, &sorted)?;
            // Before pictures are read, which can take long.
            check(&found.classes)?;
            options.set_apart.map_or(Ok(()), |set_apart| found.set_apart(set_apart, &tree))?;
            let planned = found.planned();
            if planned.test == 0 && planned.validation.is_none() {
                return Err(store::nothing_to_score("folder"));
            }
            options.watch.planned(planned)?;
            let set = pictures::decode(&tree, found, options)?;
            return Ok(Raw { passed_over: sorted.passed, ..set });
        }
    };
    check(&set.classes)?;
    let set = match options.set_apart {
        Some(_) if !set.test.is_empty() => return Err(folder::has_test(&tree)),
        Some(how) => set_apart(set, how)?,
        None => set,
    };
    let grey = layout == Layout::Idx;
    let channels = options.channels.or(grey.then_some(3));
    let set = convert::convert(set, channels, options.fitting, &tree.origin)?;
    Ok(Raw { passed_over: sorted.passed, ..set })
}
