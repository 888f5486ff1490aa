//! Values in other files, which lie beside the model or below its folder.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path, PathBuf};

use artifact::{Error, Result, file};

use super::Place;
use crate::proto::Tensor;

/// The bytes of `tensor`, of which there must be `expected`.
pub fn read(tensor: &Tensor, expected: usize, what: &str, place: &Place) -> Result<Vec<u8>> {
    let bad = |text: String| Error::Config(format!("{}: {what}: {text}", place.origin));
    let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| &e.value);
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => {
            let read: Option<u64> = text.parse().ok();
            read.map(Some).ok_or_else(|| bad(format!("{key} {text:?}; expected a whole number")))
        }
    };
    let location = entry("location").ok_or_else(|| bad("in another file of no name".into()))?;
    let path = locate(place, location).map_err(bad)?;
    let (mut file, length) = file::open(&path)?;
    let offset = number("offset")?.unwrap_or(0);
    let left = length
        .checked_sub(offset)
        .ok_or_else(|| bad(format!("begins at byte {offset} of {location}, which has {length}")))?;
    let stated = number("length")?.unwrap_or(expected as u64);
    if stated != expected as u64 || left < stated {
        return Err(bad(format!(
            "has {stated} bytes in {location}, of which {left} are left there; its shape needs {expected}"
        )));
    }
    let mut bytes = vec![0; expected];
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(&mut bytes))
        .map_err(|e| Error::read(&path, &e))?;
    Ok(bytes)
}

/// Refuses names that lead out of the model's folder, through `..` or through links.
fn locate(place: &Place, location: &str) -> std::result::Result<PathBuf, String> {
    let Some(folder) = &place.folder else {
        return Err(format!("its values are in the file {location}; read the model by its path"));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let plain = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
    if !Path::new(location).components().all(plain) {
        return Err(format!("its values are in {location}; expected a file in the model's folder"));
    }
    let path = folder.join(location);
    let inside = match (folder.canonicalize(), path.canonicalize()) {
        (Ok(folder), Ok(path)) => path.starts_with(folder),
        // What does not exist is told when it is opened.
        _ => true,
    };
    if inside { Ok(path) } else { Err(format!("{location} is a link out of the model's folder")) }
}
