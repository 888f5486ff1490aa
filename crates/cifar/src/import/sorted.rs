//! Which entries of a source are taken, and why the others are not.

use std::collections::BTreeSet;

use artifact::record::PassedOver;
use artifact::{Error, Result};

use super::layout::{self, Layout, PARTS, Set, Wanted};
use crate::passed::{self, Why, is_hidden, is_picture};
use artifact::printable;

/// A name in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path within the source, with `/`.
    pub path: String,
    /// Whether that is the whole truth: what is not UTF-8 stands as U+FFFD in it.
    pub exact: bool,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// Something that is passed over whatever its name.
    Passed(Why),
}

/// The entries of the one set in a source.
#[derive(Debug)]
pub struct Sorted {
    /// The set.
    pub set: Set,
    /// The names within the set that are to be read.
    pub names: Vec<String>,
    /// The folders of classes, `part/class`.
    pub folders: BTreeSet<String>,
    /// What is not taken.
    pub passed: Vec<PassedOver>,
}

impl Entry {
    /// An entry of this name, given as bytes.
    pub fn new(path: &[u8], kind: Kind) -> Self {
        let text = String::from_utf8_lossy(path);
        let exact = matches!(text, std::borrow::Cow::Borrowed(_));
        Self { path: text.into_owned(), exact, kind }
    }

    /// What a layout would take it as.
    ///
    /// # Errors
    /// [`Error::Config`] where one would, and the name is not UTF-8.
    pub fn wanted(&self, origin: &str) -> Result<Option<Wanted>> {
        let found = layout::wanted(&self.path).filter(|_| self.kind == Kind::File);
        if found.is_some() && !self.exact {
            return Err(Error::Config(format!(
                "{origin}: the name {:?} is not UTF-8; rename it or its folder",
                self.path
            )));
        }
        Ok(found)
    }
}

/// Finds the set among `entries` and sorts them.
pub fn sort(origin: &str, entries: &[Entry]) -> Result<Sorted> {
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry.wanted(origin)?.map(|wanted| (entry, wanted)));
    }
    let set = layout::choose(origin, found.iter().map(|(_, w)| w))?;
    let chosen = found.into_iter().filter(|(_, w)| w.set == set).map(|(_, w)| w.name);
    let mut sorted =
        Sorted { names: chosen.collect(), folders: BTreeSet::new(), passed: vec![], set };
    let mut passed = Vec::new();
    for entry in entries {
        sorted.add_folder(entry);
        passed.extend(sorted.why(entry).map(|why| (why, entry.path.clone())));
    }
    sorted.drop_copies(&mut passed);
    sorted.add_empty(&mut passed);
    sorted.passed = passed::count(passed);
    Ok(sorted)
}

impl Sorted {
    /// The path within the set, where `path` lies in it.
    fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.set.root.is_empty() {
            return Some(path);
        }
        path.strip_prefix(&self.set.root)?.strip_prefix('/')
    }

    /// Notes the class whose folder `entry` is, or lies in.
    fn add_folder(&mut self, entry: &Entry) {
        let path = self.within(&entry.path).filter(|_| self.set.layout == Layout::Images);
        let parts: Vec<&str> = path.unwrap_or_default().split('/').collect();
        let folder = entry.kind == Kind::Folder;
        if let [part, class, rest @ ..] = &parts[..]
            && PARTS.contains(part)
            && (folder || !rest.is_empty())
            && !is_hidden(class)
        {
            self.folders.insert(format!("{part}/{class}"));
        }
    }

    /// Why `entry` is not taken, where it is not.
    fn why(&self, entry: &Entry) -> Option<Why> {
        let hidden = entry.path.split('/').any(is_hidden);
        let within = self.within(&entry.path);
        let taken = layout::wanted(&entry.path).is_some_and(|w| w.set == self.set);
        match entry.kind {
            Kind::Passed(why) => Some(why),
            // Folders are told by what lies in them; those not looked into come as passed over.
            Kind::Folder => None,
            Kind::File if hidden => Some(Why::HiddenFile),
            Kind::File if taken => None,
            Kind::File if self.set.layout != Layout::Images => Some(Why::OtherFile),
            Kind::File => Some(match within.and_then(|name| name.split_once('/')) {
                Some((part, name)) if PARTS.contains(&part) => {
                    if is_picture(name) {
                        Why::NoClass
                    } else {
                        Why::NotPicture
                    }
                }
                _ => Why::OtherFile,
            }),
        }
    }

    /// Of a file and its compressed form the file is taken.
    fn drop_copies(&mut self, passed: &mut Vec<(Why, String)>) {
        let plain: BTreeSet<String> = self.names.iter().cloned().collect();
        self.names.retain(|name| {
            let copy = name.strip_suffix(".gz").is_some_and(|name| plain.contains(name));
            if copy {
                passed.push((Why::Compressed, name.clone()));
            }
            !copy
        });
    }

    /// Notes class folders for testing and validation that hold nothing; empty ones for training are
    /// refused when the set is decoded.
    fn add_empty(&self, passed: &mut Vec<(Why, String)>) {
        let class = |name: &String| name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        let filled: BTreeSet<String> = self.names.iter().map(class).collect();
        let empty = self.folders.difference(&filled).filter(|f| !f.starts_with("train/"));
        passed.extend(empty.map(|folder| (Why::EmptyFolder, folder.clone())));
    }

    /// `origin` and the folder of the set within it, for errors.
    pub fn origin(&self, origin: &str, between: char) -> String {
        match self.set.root.as_str() {
            "" => printable(origin),
            root => printable(&format!("{}{between}{root}", origin.trim_end_matches(between))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(files: &[&str]) -> Sorted {
        let entry = |path: &&str| Entry::new(path.as_bytes(), Kind::File);
        sort("s", &files.iter().map(entry).collect::<Vec<_>>()).expect("one set")
    }

    #[test]
    fn all_that_is_not_taken_is_counted() {
        let found = sorted(&[
            "set/train/cat/1.png",
            "set/train/cat/more/2.png",
            "set/train/cat/notes.txt",
            "set/train/cat/.x/3.png",
            "set/train/stray.png",
            "set/train/fox/a.gif",
            "set/readme.md",
            "list.csv",
        ]);
        assert_eq!(found.names, ["train/cat/1.png", "train/cat/more/2.png"]);
        assert_eq!(found.folders.iter().collect::<Vec<_>>(), ["train/cat", "train/fox"]);
        let told = passed::told(&found.passed).expect("much");
        let expected = "passed over: hidden files: 1 (set/train/cat/.x/3.png); files that are not \
                        pictures: 2 (such as set/train/cat/notes.txt); pictures outside of a class \
                        folder: 1 (set/train/stray.png); other files: 2 (such as \
                        list.csv)";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_file_goes_before_its_compressed_form() {
        let names = ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"];
        let found = sorted(&[names[0], names[1], "x.txt"]);
        assert_eq!(found.names, names[..1]);
        let told = passed::told(&found.passed).expect("two");
        assert!(told.contains("beside them: 1 (train-images-idx3-ubyte.gz)"), "{told}");
    }

    #[test]
    fn a_wanted_name_that_is_not_utf_8_is_refused() {
        let entry = |path: &[u8]| Entry::new(path, Kind::File);
        let good = entry(b"train/cat/1.png");
        let error = sort("s", &[good.clone(), entry(b"train/\xFF/1.png")]).expect_err("refused");
        assert!(error.to_string().contains("is not UTF-8"), "{error}");
        let told = sort("s", &[good, entry(b"train/cat/\xFF.txt")]).expect("not a picture").passed;
        assert_eq!(told[0].count, 1);
    }
}
