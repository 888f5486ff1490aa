//! Which names belong to which layout.

use std::collections::BTreeSet;

use artifact::{Error, Result};

/// A layout that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// CIFAR-10's binary files.
    Binary,
    /// CIFAR-10's Python batches.
    Python,
    /// CIFAR-100's Python files.
    HundredPython,
    /// Image files in a folder a class.
    Images,
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
/// Files of CIFAR-100's Python layout: training, test, class names.
pub const HUNDRED_PYTHON: [&str; 3] = ["train", "test", "meta"];
/// The two folders of the image layout.
pub const PARTS: [&str; 2] = ["train", "test"];
/// Ends of image names, in any case.
const ENDINGS: [&str; 3] = [".jpg", ".jpeg", ".png"];

/// A path that a layout uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The layout.
    pub layout: Layout,
    /// The folder of the set within the source: one name, or empty where it is the source itself.
    pub root: String,
    /// The path within the set.
    pub name: String,
}

/// What `path` (relative to the source, with `/`) is, if a layout uses it.
pub fn wanted(path: &str) -> Option<Wanted> {
    let whole = layout_of(path).map(|layout| (layout, "", path));
    let below = || {
        let (root, rest) = path.split_once('/')?;
        Some((layout_of(rest)?, root, rest))
    };
    let (layout, root, name) = whole.or_else(below)?;
    Some(Wanted { layout, root: root.to_owned(), name: name.to_owned() })
}

fn layout_of(name: &str) -> Option<Layout> {
    if BINARY.contains(&name) {
        return Some(Layout::Binary);
    }
    if PYTHON.contains(&name) {
        return Some(Layout::Python);
    }
    if HUNDRED_PYTHON.contains(&name) {
        return Some(Layout::HundredPython);
    }
    let parts: Vec<&str> = name.split('/').collect();
    let [part, class, file] = parts[..] else { return None };
    let lower = file.to_lowercase();
    let image = ENDINGS.iter().any(|e| lower.ends_with(e)) && !file.starts_with('.');
    (PARTS.contains(&part) && !class.is_empty() && image).then_some(Layout::Images)
}

/// The one set among `found`: its layout and folder.
pub fn choose<'a>(
    origin: &str,
    found: impl Iterator<Item = &'a Wanted>,
) -> Result<(Layout, String)> {
    let sets: BTreeSet<(Layout, &str)> = found.map(|w| (w.layout, w.root.as_str())).collect();
    let sets: Vec<_> = sets.into_iter().collect();
    match sets[..] {
        [(layout, root)] => Ok((layout, root.to_owned())),
        [] => Err(Error::Missing(format!(
            "{origin}: found no image set; looked here and one folder below for {} (official \
             binary files), {} (official Python batches), or train/CLASS/*.jpg, .jpeg or .png and \
             test/CLASS/* (an image folder)",
            BINARY[0], PYTHON[0]
        ))),
        _ => Err(Error::Config(format!(
            "{origin}: found {} image sets ({}); name the folder of one",
            sets.len(),
            sets.iter().map(|(l, r)| format!("{l:?} in ./{r}")).collect::<Vec<_>>().join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_layout() {
        let check = |path: &str, expected: Option<(Layout, &str)>| {
            let found = wanted(path);
            assert_eq!(found.as_ref().map(|w| (w.layout, w.root.as_str())), expected, "{path}");
        };
        check("data_batch_1.bin", Some((Layout::Binary, "")));
        check(
            "cifar-10-batches-bin/test_batch.bin",
            Some((Layout::Binary, "cifar-10-batches-bin")),
        );
        check("cifar-10-batches-py/data_batch_5", Some((Layout::Python, "cifar-10-batches-py")));
        check("train/cat/1.PNG", Some((Layout::Images, "")));
        check("pets/test/dog/a.b.jpeg", Some((Layout::Images, "pets")));
        for other in
            ["data_batch_6.bin", "a/b/data_batch_1", "train/1.png", "train/cat/._1.png", "x"]
        {
            check(other, None);
        }
    }

    #[test]
    fn none_and_several_are_errors() {
        let some =
            |paths: &[&str]| -> Vec<Wanted> { paths.iter().filter_map(|p| wanted(p)).collect() };
        let found = some(&["p/data_batch_1", "p/test_batch"]);
        assert_eq!(choose("s", found.iter()).expect("one"), (Layout::Python, "p".to_owned()));
        assert_eq!(choose("s", [].iter()).expect_err("none").exit_code(), 4);
        let both = some(&["p/data_batch_1", "b/data_batch_1.bin"]);
        assert_eq!(choose("s", both.iter()).expect_err("two").exit_code(), 3);
    }
}
