//! A set in a folder.

use std::fs;
use std::path::Path;

use artifact::{Error, Result, file};

use super::Tree;
use super::layout::{self, Layout, PARTS, Wanted};

/// Finds and reads the set in `folder` or one folder below.
pub fn read(folder: &Path) -> Result<(Layout, Tree)> {
    let mut found = Vec::new();
    list(folder, "", &mut found)?;
    let origin = folder.display().to_string();
    let (layout, root) = layout::choose(&origin, found.iter())?;
    let origin = folder.join(&root).components().as_path().display().to_string();
    let chosen = found.into_iter().filter(|w| w.layout == layout && w.root == root);
    let load = |w: Wanted| Ok((w.name.clone(), file::read(&folder.join(&w.root).join(&w.name))?));
    Ok((layout, Tree { origin, files: chosen.map(load).collect::<Result<_>>()? }))
}

/// Lists the wanted files below `at`, a path within `folder`, no deeper than a layout can go.
fn list(folder: &Path, at: &str, found: &mut Vec<Wanted>) -> Result<()> {
    let here = folder.join(at);
    for entry in fs::read_dir(&here).map_err(|e| Error::read(&here, &e))? {
        let name = entry.map_err(|e| Error::read(&here, &e))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
        if folder.join(&path).is_dir() {
            if deeper(&path) {
                list(folder, &path, found)?;
            }
        } else {
            found.extend(layout::wanted(&path));
        }
    }
    Ok(())
}

/// Whether a set can have files below `path`: SET, SET/train, SET/train/CLASS, or without SET.
fn deeper(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [_] => true,
        [a, b] => PARTS.contains(&a) || PARTS.contains(&b),
        [_, part, _] => PARTS.contains(&part),
        _ => false,
    }
}
