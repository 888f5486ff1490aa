//! An image folder: `train/CLASS/*` and `test/CLASS/*` or `val/CLASS/*`, or `CLASS/*` alone, with folders
//! below the classes.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{Error, Result};

use super::part::Part;
use super::sorted::Sorted;
use super::{Planned, SetApart, Tree};
use crate::split;

/// A picture by its name and its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its path within the set.
    pub name: String,
    /// The number of its class.
    pub label: u16,
}

/// The pictures of a set.
#[derive(Debug)]
pub struct Found {
    /// Class names by label: the ranks of the names.
    pub classes: Vec<String>,
    /// Of each [`Part`], in their order.
    pub pictures: [Vec<Picture>; 3],
}

/// Finds the pictures of a set of the image layout.
pub fn find(tree: &Tree, sorted: &Sorted) -> Result<Found> {
    let layout = sorted.set.layout;
    check_parts(tree, sorted)?;
    let labels = labels(tree, sorted)?;
    let mut pictures = [vec![], vec![], vec![]];
    for name in &sorted.names {
        let (part, class) = layout.place(name).expect("the layout has part/class/file");
        let Some(label) = labels.get(class).copied() else {
            let folder = &name[..name.find(class).unwrap_or(0) + class.len()];
            return Err(Error::Config(format!(
                "{}: no training pictures of this class",
                tree.place(folder)
            )));
        };
        pictures[part as usize].push(Picture { name: name.clone(), label });
    }
    let classes = labels.into_keys().map(str::to_owned).collect();
    Ok(Found { classes, pictures })
}

/// Refuses several folders for the same part.
fn check_parts(tree: &Tree, sorted: &Sorted) -> Result<()> {
    let mut folders: BTreeMap<Part, BTreeSet<&str>> = BTreeMap::new();
    for name in &sorted.names {
        if let Some((folder, part)) =
            name.split_once('/').and_then(|(f, _)| Some((f, Part::of(f)?)))
        {
            folders.entry(part).or_default().insert(folder);
        }
    }
    let several = folders.iter().find(|(_, names)| names.len() > 1);
    let Some((part, names)) = several.filter(|_| sorted.set.layout == super::Layout::Images) else {
        return Ok(());
    };
    Err(Error::Config(format!(
        "{}: {} are all for {}; expected one of them",
        tree.origin,
        names.iter().copied().collect::<Vec<_>>().join(" and "),
        part.purpose()
    )))
}

/// The labels of the classes, which are the folders for training. Each holds a picture, or has no business
/// there: torchvision's `ImageFolder` refuses others too.
fn labels<'a>(tree: &Tree, sorted: &'a Sorted) -> Result<BTreeMap<&'a str, u16>> {
    let layout = sorted.set.layout;
    let trained = |name: &'a str| {
        layout.place(name).filter(|(part, _)| *part == Part::Train).map(|(_, class)| class)
    };
    let filled: BTreeSet<&str> = sorted.names.iter().filter_map(|name| trained(name)).collect();
    for folder in &sorted.folders {
        let is_empty = |(part, class): (Part, &str)| part == Part::Train && !filled.contains(class);
        if layout.place(&format!("{folder}/")).is_some_and(is_empty) {
            return Err(Error::Config(format!(
                "{}: a class without a picture; put .jpg, .png, .webp or .bmp files into it or remove the \
                 folder",
                tree.place(folder)
            )));
        }
    }
    let label = |(label, class)| {
        Ok((class, u16::try_from(label).map_err(|_| too_many(tree, filled.len()))?))
    };
    filled.iter().copied().enumerate().map(label).collect()
}

fn too_many(tree: &Tree, found: usize) -> Error {
    Error::Config(format!("{}: found {found} classes; expected at most 65,535", tree.origin))
}

/// A set that has a test part already.
pub fn has_test(tree: &Tree) -> Error {
    Error::Config(format!("{}: has a test part of its own; leave out --test-fraction", tree.origin))
}

impl Found {
    /// Sets training pictures apart for testing.
    pub fn set_apart(&mut self, how: SetApart, tree: &Tree) -> Result<()> {
        let [train, test, _] = &mut self.pictures;
        if !test.is_empty() {
            return Err(has_test(tree));
        }
        let (kept, held) = split::test(train.len(), how.fraction, how.seed)?;
        let those = |indices: Vec<usize>| indices.into_iter().map(|i| train[i].clone()).collect();
        (*test, *train) = (those(held), those(kept));
        Ok(())
    }

    /// How many images it comes to.
    pub fn planned(&self) -> Planned {
        let [train, test, validation] = self.pictures.each_ref().map(Vec::len);
        Planned { train, test, validation: (validation > 0).then_some(validation) }
    }
}

#[cfg(test)]
mod tests;
