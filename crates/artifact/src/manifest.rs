//! The manifest: what an artifact is, what it was made from and how.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::yaml::{self, Value};
use crate::{Error, Result, digest, file, names};

/// The manifest format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// `manifest.yaml`. Keys are written in this order; unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of this file.
    pub format: u32,
    /// The stage that made the artifact (`trainer`, `pruner`, ...).
    pub stage: String,
    /// Version of the program.
    pub version: String,
    /// Seed of the run.
    pub seed: u64,
    /// The network, where the artifact holds or measures one.
    pub network: Option<Network>,
    /// What was read.
    pub inputs: Vec<Input>,
    /// The files beside this one.
    pub outputs: Vec<Output>,
    /// Every setting that can change the result, resolved.
    pub config: Value,
    /// What came out: one of the types of [`crate::record`].
    pub result: Value,
}

/// Which network a checkpoint belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Name and width multiplier, such as `resnet18@0.25`.
    pub spec: String,
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the input in pixels.
    pub side: usize,
    /// SHA-256 of the printed graph.
    pub digest: String,
}

/// An artifact that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it was read as (`dataset`, `checkpoint`, `scan`, `plan`).
    pub role: String,
    /// Where it stood, relative to this manifest's folder where possible.
    pub path: String,
    /// SHA-256 of its manifest, or of the file where it is a single file.
    pub sha256: String,
}

/// A file of the artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name relative to the artifact's folder.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the content.
    pub sha256: String,
}

impl Manifest {
    /// Reads `folder/manifest.yaml`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(names::MANIFEST);
        if !path.exists() {
            return Err(Error::Missing(absent(folder)));
        }
        let manifest: Self = yaml::read(&path)?;
        if manifest.format != FORMAT {
            return Err(Error::Config(format!(
                "{}: manifest format {} where this program reads {FORMAT}",
                path.display(),
                manifest.format
            )));
        }
        Ok(manifest)
    }

    /// The result as the record type of this manifest's stage.
    pub fn result<T: DeserializeOwned>(&self, folder: &Path) -> Result<T> {
        yaml::from_value(self.result.clone(), &folder.join(names::MANIFEST))
    }

    /// The path of the output `name` after its length and digest were compared with the manifest.
    pub fn verified(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let path = folder.join(name);
        let Some(expected) = self.outputs.iter().find(|o| o.file == name) else {
            return Err(Error::Integrity(format!(
                "{}: the manifest lists no file {name} (it has: {})",
                folder.join(names::MANIFEST).display(),
                self.outputs.iter().map(|o| o.file.as_str()).collect::<Vec<_>>().join(", ")
            )));
        };
        let (sha256, bytes) = digest::of_file(&path)?;
        if (bytes, &sha256) == (expected.bytes, &expected.sha256) {
            return Ok(path);
        }
        Err(Error::Integrity(format!(
            "{}: found {bytes} bytes with sha256 {sha256}, the manifest says {} bytes with {}; \
             restore the file or make the artifact again",
            path.display(),
            expected.bytes,
            expected.sha256
        )))
    }

    /// The first input of `role`, resolved against `folder`.
    pub fn input(&self, folder: &Path, role: &str) -> Option<PathBuf> {
        self.inputs.iter().find(|i| i.role == role).map(|i| folder.join(&i.path))
    }

    /// Whether the output `name` is listed.
    pub fn has(&self, name: &str) -> bool {
        self.outputs.iter().any(|o| o.file == name)
    }
}

/// Describes the files `outputs` of `folder`.
pub fn describe(folder: &Path, outputs: &[String]) -> Result<Vec<Output>> {
    outputs
        .iter()
        .map(|name| {
            let (sha256, bytes) = digest::of_file(&folder.join(name))?;
            Ok(Output { file: name.clone(), bytes, sha256 })
        })
        .collect()
}

/// `path` as an input of an artifact in `folder`: its manifest's digest, or the file's own.
pub fn input(role: &str, path: &Path, folder: &Path) -> Result<Input> {
    let path = file::tidy(path)?;
    let hashed = if path.is_dir() { path.join(names::MANIFEST) } else { path.clone() };
    if path.is_dir() && !hashed.exists() {
        return Err(Error::Missing(absent(&path)));
    }
    let (sha256, _) = digest::of_file(&hashed)?;
    let folder = file::tidy(folder)?;
    Ok(Input { role: role.to_owned(), path: file::relative(&path, &folder), sha256 })
}

fn absent(folder: &Path) -> String {
    let shown = folder.display();
    if folder.is_dir() {
        format!("{shown}: holds no {}; an unfinished or foreign folder", names::MANIFEST)
    } else if folder.exists() {
        format!("{shown}: is a file; expected the folder of a finished stage")
    } else {
        format!("{shown}: no such folder; expected that of a finished stage")
    }
}
