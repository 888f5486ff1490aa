//! Which names belong to which layout.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{Error, Result};

use super::arrays;
use super::idx;
use super::part::Part;
use crate::passed::{is_hidden, is_picture};
use artifact::printable;

use crate::photo;

/// A layout that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// CIFAR-10's binary files.
    Binary,
    /// CIFAR-10's Python batches.
    Python,
    /// CIFAR-100's binary files.
    HundredBinary,
    /// CIFAR-100's Python files.
    HundredPython,
    /// The IDX files of MNIST and its kin.
    Idx,
    /// `NumPy`'s arrays.
    Arrays,
    /// Pictures in a folder for each class, in one for each part.
    Images,
    /// Pictures in a folder for each class, without parts: all for training. It has no names of its own,
    /// and is looked for where there is nothing else.
    Classes,
}

/// Files of the binary layout: five training files, the test file, the class names.
pub const BINARY: [&str; 7] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
    "batches.meta.txt",
];
/// Files of the Python layout, likewise.
pub const PYTHON: [&str; 7] = [
    "data_batch_1",
    "data_batch_2",
    "data_batch_3",
    "data_batch_4",
    "data_batch_5",
    "test_batch",
    "batches.meta",
];
/// Files of CIFAR-100's binary layout: training, test, the fine and the coarse class names.
pub const HUNDRED_BINARY: [&str; 4] =
    ["train.bin", "test.bin", "fine_label_names.txt", "coarse_label_names.txt"];
/// Files of CIFAR-100's Python layout: training, test, both kinds of class names.
pub const HUNDRED_PYTHON: [&str; 3] = ["train", "test", "meta"];
/// A path that a layout uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The set.
    pub set: Set,
    /// The path within the set.
    pub name: String,
}

/// A set of images within a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    /// The layout.
    pub layout: Layout,
    /// The folder of the set within the source: one name, or empty where it is the source itself.
    pub root: String,
    /// What the names of its files begin with, where several sets may lie in one folder.
    pub prefix: String,
}

impl Layout {
    /// The most bytes that one of its files may have: about twice the largest published one's.
    pub fn most(self) -> u64 {
        match self {
            Self::Binary | Self::Python => 64 << 20,
            Self::HundredBinary | Self::HundredPython => 320 << 20,
            Self::Idx | Self::Arrays => 1 << 30,
            Self::Images | Self::Classes => photo::MOST_FILE,
        }
    }

    /// Whether its files are pictures.
    pub fn is_pictures(self) -> bool {
        matches!(self, Self::Images | Self::Classes)
    }

    /// The part and the class of its file `name`, where it has such.
    pub fn place(self, name: &str) -> Option<(Part, &str)> {
        let (first, rest) = name.split_once('/')?;
        match self {
            Self::Images => Some((Part::of(first)?, rest.split_once('/')?.0)),
            Self::Classes => Some((Part::Train, first)),
            _ => None,
        }
    }

    /// How many of its files must be there to recognise it. Some have names that mean nothing alone.
    fn least(self) -> usize {
        if matches!(self, Self::HundredBinary | Self::HundredPython) { 2 } else { 1 }
    }
}

/// What `path` (relative to the source, with `/`) is, if a layout uses it.
pub fn wanted(path: &str) -> Option<Wanted> {
    if path.split('/').any(is_hidden) {
        return None;
    }
    let of = |root: &str, name: &str| {
        let (layout, prefix) = layout_of(name)?;
        let set = Set { layout, root: root.to_owned(), prefix: prefix.to_owned() };
        Some(Wanted { set, name: name.to_owned() })
    };
    of("", path).or_else(|| {
        let (root, rest) = path.split_once('/')?;
        of(root, rest)
    })
}

/// The layout that uses `name`, and the prefix that tells its set from others in the same folder.
fn layout_of(name: &str) -> Option<(Layout, &str)> {
    let fixed = [
        (Layout::Binary, &BINARY[..]),
        (Layout::Python, &PYTHON),
        (Layout::HundredBinary, &HUNDRED_BINARY),
        (Layout::HundredPython, &HUNDRED_PYTHON),
    ];
    if let Some((layout, _)) = fixed.iter().find(|(_, names)| names.contains(&name)) {
        return Some((*layout, ""));
    }
    if let Some(file) = idx::Name::of(name) {
        return Some((Layout::Idx, file.prefix));
    }
    if arrays::part_of(name).is_some() {
        return Some((Layout::Arrays, ""));
    }
    let (_, class) = Layout::Images.place(name)?;
    (!class.is_empty() && is_picture(name)).then_some((Layout::Images, ""))
}

/// What the pictures among `paths` are, where they lie in class folders without parts: these are folders
/// of the source, or of the one folder in it.
pub fn classes<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Option<Set> {
    let pictures = paths.filter(|p| !p.split('/').any(is_hidden) && is_picture(p));
    let mut folders = pictures.clone().filter_map(|p| p.split_once('/'));
    let (first, _) = folders.next()?;
    let inside = |(folder, rest): (&str, &str)| folder == first && rest.contains('/');
    let below = pictures.clone().filter_map(|p| p.split_once('/')).all(inside);
    let root = if below { first.to_owned() } else { String::new() };
    Some(Set { layout: Layout::Classes, root, prefix: String::new() })
}

/// The one set among `found`.
pub fn choose<'a>(origin: &str, found: impl Iterator<Item = &'a Wanted>) -> Result<Set> {
    let mut sets: BTreeMap<&Set, BTreeSet<&str>> = BTreeMap::new();
    for wanted in found {
        sets.entry(&wanted.set).or_default().insert(&wanted.name);
    }
    let known = sets.into_iter().filter(|(set, names)| names.len() >= set.layout.least());
    let sets: Vec<&Set> = known.map(|(set, _)| set).collect();
    match sets[..] {
        [set] => Ok(set.clone()),
        [] => Err(Error::Missing(format!(
            "{origin}: found no image set; looked here and one folder below for {} (CIFAR-10, \
             binary), {} (CIFAR-10, Python), {} and {} (CIFAR-100, binary), {}, {} and {} (CIFAR-100, \
             Python), train-images-idx3-ubyte (IDX, with or without .gz), x_train.npy or train_images.npy \
             (NumPy, also in a .npz), or pictures (.jpg, .png, .webp, .bmp) as \
             train/CLASS/* and test/CLASS/* or val/CLASS/*, or as CLASS/* (an image folder)",
            BINARY[0],
            PYTHON[0],
            HUNDRED_BINARY[0],
            HUNDRED_BINARY[2],
            HUNDRED_PYTHON[0],
            HUNDRED_PYTHON[1],
            HUNDRED_PYTHON[2]
        ))),
        _ => Err(Error::Config(format!(
            "{origin}: found {} image sets ({}); expected one: name its folder, or move the others \
             away",
            sets.len(),
            sets.iter().map(|set| shown(set)).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn shown(set: &Set) -> String {
    let what = match set.layout {
        Layout::Binary => "CIFAR-10's binary files",
        Layout::Python => "CIFAR-10's Python batches",
        Layout::HundredBinary => "CIFAR-100's binary files",
        Layout::HundredPython => "CIFAR-100's Python files",
        Layout::Idx => "IDX files",
        Layout::Arrays => "NumPy arrays",
        Layout::Images => "class folders in parts",
        Layout::Classes => "class folders",
    };
    format!("{what} in ./{}", printable(&format!("{}{}", set.root, dash(&set.prefix))))
}

/// The prefix of files as it is shown behind their folder.
fn dash(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!(": {prefix}*") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_layout() {
        let check = |path: &str, expected: Option<(Layout, &str)>| {
            let found = wanted(path);
            let found = found.as_ref().map(|w| (w.set.layout, w.set.root.as_str()));
            assert_eq!(found, expected, "{path}");
        };
        check("data_batch_1.bin", Some((Layout::Binary, "")));
        check(
            "cifar-10-batches-bin/test_batch.bin",
            Some((Layout::Binary, "cifar-10-batches-bin")),
        );
        check("cifar-10-batches-py/data_batch_5", Some((Layout::Python, "cifar-10-batches-py")));
        check("cifar-100-binary/train.bin", Some((Layout::HundredBinary, "cifar-100-binary")));
        check("meta", Some((Layout::HundredPython, "")));
        check("raw/train-images-idx3-ubyte.gz", Some((Layout::Idx, "raw")));
        check("x_train.npy", Some((Layout::Arrays, "")));
        check("train/cat/1.PNG", Some((Layout::Images, "")));
        check("pets/test/dog/a.b.jpeg", Some((Layout::Images, "pets")));
        check("pets/validation/dog/more/a.bmp", Some((Layout::Images, "pets")));
        check("Pets/Train/dog/a.jfif", Some((Layout::Images, "Pets")));
        for other in [
            "data_batch_6.bin",
            "a/b/data_batch_1",
            "train/1.png",
            "train/cat/._1.png",
            "train/.hidden/1.png",
            "__MACOSX/train/cat/1.png",
            "x",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn none_and_several_are_errors() {
        let some =
            |paths: &[&str]| -> Vec<Wanted> { paths.iter().filter_map(|p| wanted(p)).collect() };
        let found = some(&["p/data_batch_1", "p/test_batch"]);
        let set = choose("s", found.iter()).expect("one");
        assert_eq!((set.layout, set.root.as_str()), (Layout::Python, "p"));
        let refused = |paths: &[&str], code: u8, expected: &str| {
            let error = choose("s", some(paths).iter()).expect_err("refused");
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
            assert_eq!(error.exit_code(), code);
        };
        refused(&[], 4, "found no image set");
        refused(&["p/data_batch_1", "b/data_batch_1.bin"], 3, "Python batches in ./p");
        let two = ["train-images-idx3-ubyte", "emnist-mnist-train-images-idx3-ubyte"];
        refused(&two, 3, "IDX files in ./: emnist-mnist-*");
    }

    #[test]
    fn class_folders_lie_in_the_source_or_in_the_one_folder_of_it() {
        let root = |paths: &[&str]| classes(paths.iter().copied()).map(|set| set.root);
        assert_eq!(root(&["cat/1.png", "dog/more/1.png"]).as_deref(), Some(""));
        assert_eq!(root(&["pets/cat/1.png", "pets/dog/1.png"]).as_deref(), Some("pets"));
        assert_eq!(root(&["pets/cat/1.png", "more/dog/1.png"]).as_deref(), Some(""));
        assert_eq!(root(&["pets/cat/1.png", "pets/1.png"]).as_deref(), Some(""));
        assert_eq!(root(&["1.png", ".x/cat/1.png", "cat/1.txt"]), None);
    }

    #[test]
    fn a_name_that_anything_may_have_is_no_layout_alone() {
        let found: Vec<Wanted> = ["test", "train/a/1.png"].into_iter().filter_map(wanted).collect();
        assert_eq!(choose("s", found.iter()).expect("one").layout, Layout::Images);
    }
}
