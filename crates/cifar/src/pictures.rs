//! The pictures of a folder.

use std::path::{Path, PathBuf};

use artifact::record::PassedOver;
use artifact::{Error, Result, file};

use crate::passed::{self, Why, is_hidden, is_picture};
use artifact::printable;

/// The pictures in `folder`, sorted, and what else is in it. Folders in it are not looked into.
///
/// # Errors
/// [`Error::Missing`] where there is no picture.
pub fn of_folder(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PassedOver>)> {
    let (mut found, mut passed) = (vec![], vec![]);
    for entry in std::fs::read_dir(folder).map_err(|e| Error::read(folder, &e))? {
        let path = entry.map_err(|e| Error::read(folder, &e))?.path();
        match why(&path)? {
            None => found.push(path),
            Some(why) => passed.push((why, path.to_string_lossy().into_owned())),
        }
    }
    let passed = passed::count(passed);
    if found.is_empty() {
        let else_there = passed::told(&passed).map(|told| format!("; {told}")).unwrap_or_default();
        return Err(Error::Missing(format!(
            "{}: holds no picture (.jpg, .png, .webp, .bmp){else_there}",
            printable(&folder.display().to_string())
        )));
    }
    found.sort();
    Ok((found, passed))
}

/// Why what is at `path` is passed over, if it is.
fn why(path: &Path) -> Result<Option<Why>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = file::is_folder(path)?;
    Ok(if is_hidden(&name) {
        Some(if folder { Why::HiddenFolder } else { Why::HiddenFile })
    } else if folder {
        Some(Why::OtherFolder)
    } else if !is_picture(&name) {
        Some(Why::NotPicture)
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::file;

    #[test]
    fn pictures_are_sorted_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let put = |name: &str| file::write(&dir.path().join(name), b"x").expect("writes");
        put("notes.txt");
        let error = of_folder(dir.path()).expect_err("no picture");
        assert!(error.to_string().contains("holds no picture"), "{error}");
        assert!(error.to_string().contains("not pictures: 1"), "{error}");
        for name in ["b.PNG", "a.webp", ".x.jpg"] {
            put(name);
        }
        file::make_folder(&dir.path().join("more")).expect("makes");
        let (found, passed) = of_folder(dir.path()).expect("two");
        let names: Vec<_> = found.iter().map(|p| p.file_name().expect("a name")).collect();
        assert_eq!(names, ["a.webp", "b.PNG"]);
        let kinds: Vec<_> = passed.iter().map(|p| (p.kind.as_str(), p.count)).collect();
        let expected = ["hidden files", "files that are not pictures", "other folders"];
        assert_eq!(kinds, expected.map(|kind| (kind, 1)));
    }
}
