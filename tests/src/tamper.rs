//! Artifacts that were changed after they were finished.

use std::path::Path;

use artifact::tensors::{self, Tensors};
use artifact::yaml::Mapping;
use artifact::{Manifest, file, manifest, names, yaml};

/// Copies the files of the artifact `from` into the new folder `to`.
pub fn copy(from: &Path, to: &Path) {
    file::make_folder(to).expect("makes the folder");
    for entry in std::fs::read_dir(from).expect("lists").map(|e| e.expect("an entry")) {
        let bytes = file::read(&entry.path()).expect("a plain file");
        file::write(&to.join(entry.file_name()), &bytes).expect("writes");
    }
}

/// Copies the checkpoint `from` to `to` with changed weights and a manifest that agrees with them.
pub fn tamper(from: &Path, to: &Path, change: impl Fn(&mut Tensors)) {
    copy(from, to);
    let path = to.join(names::MODEL);
    let (mut weights, note) = tensors::read(&path).expect("sound before");
    change(&mut weights);
    tensors::write(&path, &weights, note.as_deref()).expect("writes");
    with_digests(to);
}

/// Makes the manifest of `folder` agree with the files beside it.
pub fn with_digests(folder: &Path) {
    let mut manifest = Manifest::read(folder).expect("a complete artifact");
    let outputs: Vec<String> = manifest.outputs.iter().map(|o| o.file.clone()).collect();
    manifest.outputs = manifest::describe(folder, &outputs).expect("the files are there");
    yaml::write_sealed(&folder.join(names::MANIFEST), &manifest).expect("writes");
}

/// Changes the keys of the manifest of `folder`, and seals it again.
pub fn resealed(folder: &Path, change: impl Fn(&mut Mapping)) {
    let path = folder.join(names::MANIFEST);
    let mut keys: Mapping = yaml::read_sealed(&path).expect("a complete artifact");
    change(&mut keys);
    yaml::write_sealed(&path, &keys).expect("writes");
}
