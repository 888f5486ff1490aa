//! A set in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artifact::{Error, Result, file};

use super::layout::Layout;
use super::part::Part;
use super::sorted::{self, Entry, Kind, Sorted};
use super::{Tree, idx};
use crate::passed::{Why, is_hidden};

/// The most folders within one another, and the most entries in all: links can make endless ones.
const MOST_DEPTH: usize = 32;
const MOST_ENTRIES: usize = 10_000_000;

/// Finds and reads the set in `folder` or one folder below.
pub fn read(folder: &Path) -> Result<(Sorted, Tree)> {
    let origin = folder.display().to_string();
    let sorted = match sorted::sort(&origin, &listed(folder, Depth::Parts)?) {
        // Nothing of a known name: pictures may lie deeper.
        Err(error @ Error::Missing(_)) => {
            sorted::sort_classes(&origin, &listed(folder, Depth::Any)?)?.ok_or(error)?
        }
        sorted => sorted?,
    };
    let root = folder.join(&sorted.set.root);
    let origin = sorted.origin(&origin, '/');
    if sorted.set.layout.is_pictures() {
        return Ok((sorted, Tree { origin, files: BTreeMap::new(), pictures: Some(root) }));
    }
    let load = |name: &String| Ok((name.clone(), load(&root.join(name), sorted.set.layout)?));
    let files = sorted.names.iter().map(load).collect::<Result<_>>()?;
    Ok((sorted, Tree { origin, files, pictures: None }))
}

/// How deep a folder is looked into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// No deeper than a layout of known names goes.
    Parts,
    /// To its end.
    Any,
}

/// The entries of `folder`, sorted.
fn listed(folder: &Path, depth: Depth) -> Result<Vec<Entry>> {
    let mut walk = Walk { folder, depth, found: vec![], above: vec![] };
    walk.list("", true)?;
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.found)
}

/// The content of a file of `layout`.
fn load(path: &Path, layout: Layout) -> Result<Vec<u8>> {
    if layout == Layout::Idx {
        idx::check_length(path)?;
    }
    file::read_at_most(path, layout.most())
}

struct Walk<'a> {
    folder: &'a Path,
    depth: Depth,
    found: Vec<Entry>,
    /// The folders from the source to here, without links.
    above: Vec<PathBuf>,
}

impl Walk<'_> {
    /// Lists what lies below `at`, a path within the source (whose name is `exact`), no deeper than a
    /// layout can go. Links are followed, as `ImageFolder` does.
    fn list(&mut self, at: &str, exact: bool) -> Result<()> {
        let here = self.folder.join(at);
        let real = fs::canonicalize(&here).map_err(|e| Error::read(&here, &e))?;
        if self.above.contains(&real) {
            return self.push(at, exact, Kind::Passed(Why::Circle));
        }
        self.push(at, exact, Kind::Folder)?;
        self.above.push(real);
        for entry in fs::read_dir(&here).map_err(|e| Error::read(&here, &e))? {
            let name = entry.map_err(|e| Error::read(&here, &e))?.file_name();
            // Below a folder whose name is not UTF-8 nothing can be named; what matters there is
            // refused when it is sorted.
            let path = if at.is_empty() { PathBuf::from(&name) } else { Path::new(at).join(&name) };
            self.add(&path, exact)?;
        }
        self.above.pop();
        Ok(())
    }

    fn add(&mut self, path: &Path, exact: bool) -> Result<()> {
        let about = fs::metadata(self.folder.join(path));
        let text = path.to_string_lossy();
        let exact = exact && path.to_str().is_some();
        let hidden = path.file_name().is_some_and(|name| is_hidden(&name.to_string_lossy()));
        match about {
            Ok(about) if about.is_dir() => {
                if hidden {
                    self.push(&text, exact, Kind::Passed(Why::HiddenFolder))
                } else if self.depth == Depth::Parts && !deeper(&text) {
                    self.push(&text, exact, Kind::Passed(Why::OtherFolder))
                } else if exact {
                    self.list(&text, exact)
                } else {
                    Err(Error::Config(format!(
                        "{}: the name of the folder {text:?} is not UTF-8; rename it",
                        self.folder.display()
                    )))
                }
            }
            Ok(about) if !about.is_file() => self.push(&text, exact, Kind::Passed(Why::Special)),
            // A link that leads nowhere: an error where the layout needs the file.
            Ok(_) | Err(_) => self.push(&text, exact, Kind::File),
        }
    }

    fn push(&mut self, path: &str, exact: bool, kind: Kind) -> Result<()> {
        if self.found.len() >= MOST_ENTRIES || self.above.len() > MOST_DEPTH {
            return Err(Error::Config(format!(
                "{}: more than {MOST_ENTRIES} names, or {MOST_DEPTH} folders within one another; \
                 expected an image set",
                self.folder.display()
            )));
        }
        if !path.is_empty() {
            self.found.push(Entry { path: path.to_owned(), exact, kind });
        }
        Ok(())
    }
}

/// Whether a set can have files below `path`: SET, SET/train, SET/train/CLASS, or without SET, and
/// folders of any depth below a class.
fn deeper(path: &str) -> bool {
    let mut parts = path.split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let part = |name: &str| Part::of(name).is_some();
    second.is_none_or(|second| part(first) || part(second))
}
