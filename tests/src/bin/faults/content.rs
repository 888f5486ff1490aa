//! What stands at a path, without the file of what a clock measured.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::yaml::{self, Value};
use artifact::{file, names};

/// Every file by its path below the artifact; a single file is under the empty path.
pub type Content = BTreeMap<String, Vec<u8>>;

/// The content of the folder or file at `path`; none where nothing stands there.
pub fn of(path: &Path) -> Option<Content> {
    if path.symlink_metadata().is_err() {
        return None;
    }
    let mut found = Content::new();
    add(path, "", &mut found);
    Some(found)
}

fn add(path: &Path, name: &str, found: &mut Content) {
    let Ok(entries) = std::fs::read_dir(path) else {
        // No digest covers it: it differs from run to run.
        if name != names::TIMINGS {
            found.insert(name.to_owned(), file::read(path).unwrap_or_default());
        }
        return;
    };
    for entry in entries.flatten() {
        let own = entry.file_name().to_string_lossy().into_owned();
        let below = if name.is_empty() { own } else { format!("{name}/{own}") };
        add(&entry.path(), &below, found);
    }
}

/// The first file in which two contents differ.
pub fn difference(a: &Content, b: &Content) -> Option<String> {
    a.keys().chain(b.keys()).find(|name| a.get(*name) != b.get(*name)).cloned()
}

/// The content without the digests of inputs: what was made, not from which file.
pub fn without_inputs(content: &Content) -> Content {
    let mut content = content.clone();
    let manifest = content.get(names::MANIFEST).map(|b| String::from_utf8_lossy(b).into_owned());
    let parsed = manifest.and_then(|text| yaml::parse::<Value>(&text, Path::new("")).ok());
    if let Some(Value::Mapping(mut map)) = parsed {
        map.remove("inputs");
        map.remove("digest");
        content.insert(names::MANIFEST.to_owned(), yaml::text(&map).into_bytes());
    }
    content
}
