//! Which entries of a source are taken, and why the others are not.

use std::collections::BTreeSet;

use artifact::record::PassedOver;
use artifact::{Error, Result};

use super::layout::{self, Layout, Set, Wanted};
use super::part::Part;
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
        if found.is_some() {
            self.check_exact(origin)?;
        }
        Ok(found)
    }

    /// What [`sort_classes`] may take it as; the folder of the set is not known yet.
    pub fn wanted_as_picture(&self) -> Option<Wanted> {
        let picture = self.kind == Kind::File
            && self.path.contains('/')
            && !self.path.split('/').any(is_hidden)
            && is_picture(&self.path);
        let set = Set { layout: Layout::Classes, root: String::new(), prefix: String::new() };
        picture.then(|| Wanted { set, name: self.path.clone() })
    }

    fn check_exact(&self, origin: &str) -> Result<()> {
        if self.exact {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{origin}: the name {:?} is not UTF-8; rename it or its folder",
            self.path
        )))
    }
}

/// Finds the set among `entries` and sorts them.
pub fn sort(origin: &str, entries: &[Entry]) -> Result<Sorted> {
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry.wanted(origin)?);
    }
    let set = layout::choose(origin, found.iter())?;
    let chosen = found.into_iter().filter(|w| w.set == set).map(|w| w.name).collect();
    Ok(sorted(set, chosen, entries))
}

/// As [`sort`], where the classes' folders lie in no part; none where there are no pictures.
pub fn sort_classes(origin: &str, entries: &[Entry]) -> Result<Option<Sorted>> {
    let files = entries.iter().filter(|e| e.kind == Kind::File);
    let Some(set) = layout::classes(files.clone().map(|e| e.path.as_str())) else {
        return Ok(None);
    };
    let mut sorted = sorted(set, vec![], &[]);
    for entry in files {
        let is_taken = sorted.why_of_classes(entry).is_none();
        if is_taken {
            entry.check_exact(origin)?;
            let name = sorted.within(&entry.path).expect("what is taken lies within").to_owned();
            sorted.names.push(name);
        }
    }
    Ok(Some(self::sorted(sorted.set, sorted.names, entries)))
}

/// The set of these `names`, with what else is among `entries`.
fn sorted(set: Set, names: Vec<String>, entries: &[Entry]) -> Sorted {
    let mut sorted = Sorted { names, folders: BTreeSet::new(), passed: vec![], set };
    let mut passed = Vec::new();
    for entry in entries {
        sorted.add_folder(entry);
        passed.extend(sorted.why(entry).map(|why| (why, entry.path.clone())));
    }
    sorted.drop_copies(&mut passed);
    sorted.add_empty(&mut passed);
    sorted.passed = passed::count(passed);
    sorted
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
        let Some(path) = self.within(&entry.path) else { return };
        // A folder has what lies in it behind its name, be that nothing.
        let path = if entry.kind == Kind::Folder { format!("{path}/") } else { path.to_owned() };
        let Some((_, class)) = self.set.layout.place(&path) else { return };
        if !class.is_empty() && !is_hidden(class) {
            let depth = if self.set.layout == Layout::Images { 2 } else { 1 };
            let folder: Vec<&str> = path.split('/').take(depth).collect();
            self.folders.insert(folder.join("/"));
        }
    }

    /// Why `entry` is not taken, where it is not.
    fn why(&self, entry: &Entry) -> Option<Why> {
        if self.set.layout == Layout::Classes {
            return self.why_of_classes(entry);
        }
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
                Some((part, name)) if Part::of(part).is_some() => {
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

    /// As [`Sorted::why`], where classes lie in no part.
    fn why_of_classes(&self, entry: &Entry) -> Option<Why> {
        let within = self.within(&entry.path);
        match entry.kind {
            Kind::Passed(why) => Some(why),
            Kind::File if entry.path.split('/').any(is_hidden) => Some(Why::HiddenFile),
            Kind::File if !is_picture(&entry.path) => Some(Why::NotPicture),
            Kind::File if !within.is_some_and(|name| name.contains('/')) => Some(Why::NoClass),
            Kind::File | Kind::Folder => None,
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
        let layout = self.set.layout;
        let trained = |folder: &str| {
            layout.place(&format!("{folder}/")).is_none_or(|(part, _)| part == Part::Train)
        };
        let empty = self.folders.difference(&filled).filter(|f| !trained(f));
        passed.extend(empty.map(|folder| (Why::EmptyFolder, folder.clone())));
    }

    /// The name within the set of what an archive was read as.
    pub fn name_of<'a>(&self, wanted: &'a Wanted) -> Option<&'a str> {
        match self.set.layout {
            // Read before the set's folder was known.
            Layout::Classes => {
                Some(self.within(&wanted.name)?).filter(|_| wanted.set.layout == Layout::Classes)
            }
            _ => (wanted.set == self.set).then_some(&wanted.name),
        }
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
    fn class_folders_without_parts_are_taken_whole() {
        let entry = |path: &&str| Entry::new(path.as_bytes(), Kind::File);
        let files = ["p/cat/1.png", "p/dog/x/2.jfif", "p/dog/a.txt", "p/.x/1.png", "p/fox/y.gif"];
        let entries: Vec<Entry> = files.iter().map(entry).collect();
        assert!(sort("s", &entries).is_err());
        let found = sort_classes("s", &entries).expect("fine").expect("pictures");
        assert_eq!(found.names, ["cat/1.png", "dog/x/2.jfif"]);
        assert_eq!(found.folders.iter().collect::<Vec<_>>(), ["cat", "dog", "fox"]);
        let told = passed::told(&found.passed).expect("three");
        let expected = "passed over: hidden files: 1 (p/.x/1.png); files that are not pictures: 2 (such \
                        as p/dog/a.txt)";
        assert_eq!(told, expected);
        assert!(sort_classes("s", &entries[2..3]).expect("fine").is_none());
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
