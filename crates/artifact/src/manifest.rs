//! The manifest: what an artifact is, what it was made from and how.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::yaml::{self, Value};
use crate::{Error, Normalisation, Result, digest, file, names, timings};

/// The manifest format that this program writes: sealed, and without times. It reads
/// format 1 too.
pub const FORMAT: u32 = 2;
/// The format whose results hold times. Digests of such manifests are those of their bytes.
pub(crate) const WITH_TIMES: u32 = 1;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name; in the zoo with a width multiplier, such as `resnet18@0.25`.
    pub spec: String,
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the input in pixels, in files of earlier versions, which hold no graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
    /// SHA-256 of the graph's text; in files without one, of what earlier versions printed.
    pub digest: String,
    /// Names of the classes by label, where they are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// The normalisation of the images that it was trained on, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// The graph's text; none in files of earlier versions, whose networks are those of the zoo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<String>,
}

/// An artifact that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it was read as (`dataset`, `checkpoint`, `scan`, `plan`).
    pub role: String,
    /// Where it stood, relative to this manifest's folder where possible.
    pub path: String,
    /// [`Manifest::digest`] of an artifact, or SHA-256 of a single file.
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
        if !file::exists(&path)? {
            return Err(Error::Missing(absent(folder)?));
        }
        let text = yaml::sealed_text(&path)?;
        // Those of format 1 have no seal; a damaged first line must not pass for one of them.
        let old =
            text.starts_with(&format!("format: {WITH_TIMES}\n")) && !text.contains("\ndigest: ");
        let text = if old { &text } else { yaml::unsealed(&text, &path)? };
        let manifest: Self = yaml::parse(text, &path)?;
        if ![WITH_TIMES, FORMAT].contains(&manifest.format) {
            return Err(Error::Config(format!(
                "{}: manifest format {}; this program reads {WITH_TIMES} and {FORMAT}",
                path.display(),
                manifest.format
            )));
        }
        Ok(manifest)
    }

    /// The result as the record type of this manifest's stage.
    pub fn result<T: DeserializeOwned>(&self, folder: &Path) -> Result<T> {
        let result = match self.format {
            WITH_TIMES => timings::without_times(self.result.clone()),
            _ => self.result.clone(),
        };
        yaml::from_value(result, &folder.join(names::MANIFEST))
    }

    /// SHA-256 of what was made, and from what: stage, seed, network, settings, result, and the
    /// digests of inputs and outputs. Neither times nor places nor the program's version change it,
    /// so the same work done again, anywhere, has the same digest.
    pub fn digest(&self) -> String {
        let roles = |i: &Input| (i.role.clone(), i.sha256.clone());
        let content = Content {
            stage: &self.stage,
            seed: self.seed,
            network: self.network.as_ref(),
            inputs: self.inputs.iter().map(roles).collect(),
            outputs: &self.outputs,
            config: &self.config,
            result: &self.result,
        };
        digest::of_bytes(yaml::text(&content).as_bytes())
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
        // Its length first: a file may be far too long to be read.
        let (sha256, bytes) = match file::length(&path)? {
            Some(bytes) if bytes != expected.bytes => ("another digest".to_owned(), bytes),
            _ => digest::of_file(&path)?,
        };
        if (bytes, &sha256) == (expected.bytes, &expected.sha256) {
            return Ok(path);
        }
        Err(Error::Integrity(format!(
            "{}: found {bytes} bytes with {sha256}, the manifest says {} bytes with {}; \
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

/// What [`Manifest::digest`] covers.
#[derive(Serialize)]
struct Content<'a> {
    stage: &'a str,
    seed: u64,
    network: Option<&'a Network>,
    inputs: Vec<(String, String)>,
    outputs: &'a [Output],
    config: &'a Value,
    result: &'a Value,
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

/// `path` as an input of an artifact in `folder`: the digest of an artifact's content, or of a file.
pub fn input(role: &str, path: &Path, folder: &Path) -> Result<Input> {
    let (path, folder) = (file::tidy(path)?, file::tidy(folder)?);
    let sha256 = digest_of(&path)?;
    Ok(Input { role: role.to_owned(), path: file::relative(&path, &folder), sha256 })
}

/// What [`Input::sha256`] is of the artifact or file at `path` as it stands there now.
pub fn digest_of(path: &Path) -> Result<String> {
    if !file::is_folder(path)? {
        return Ok(digest::of_file(path)?.0);
    }
    let manifest = Manifest::read(path)?;
    match manifest.format {
        WITH_TIMES => Ok(digest::of_file(&path.join(names::MANIFEST))?.0),
        _ => Ok(manifest.digest()),
    }
}

fn absent(folder: &Path) -> Result<String> {
    let shown = folder.display();
    Ok(if file::is_folder(folder)? {
        format!("{shown}: holds no {}; an unfinished or foreign folder", names::MANIFEST)
    } else if file::exists(folder)? {
        format!("{shown}: is a file; expected the folder of a finished stage")
    } else {
        format!("{shown}: no such folder; expected that of a finished stage")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let input = Input { role: "dataset".into(), path: "../d".into(), sha256: "1".into() };
        let output = Output { file: "model".into(), bytes: 1, sha256: "2".into() };
        Manifest {
            format: FORMAT,
            stage: "trainer".into(),
            version: "0.1.0".into(),
            seed: 1,
            network: None,
            inputs: vec![input],
            outputs: vec![output],
            config: yaml::value(&0.5),
            result: yaml::value(&[1.0, 0.25]),
        }
    }

    #[test]
    fn the_digest_covers_what_was_made_and_from_what() {
        let same = |change: fn(&mut Manifest)| {
            let mut changed = manifest();
            change(&mut changed);
            changed.digest() == manifest().digest()
        };
        assert!(same(|m| m.version = "0.2.0".into()));
        assert!(same(|m| m.inputs[0].path = "elsewhere/d".into()));
        assert!(!same(|m| m.inputs[0].sha256 = "3".into()));
        assert!(!same(|m| m.outputs[0].sha256 = "3".into()));
        assert!(!same(|m| m.seed = 2));
        assert!(!same(|m| m.config = yaml::value(&0.6)));
        assert!(!same(|m| m.result = yaml::value(&[1.0, 0.3])));
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a file that takes no room on the disk")]
    fn a_file_of_another_length_is_not_read_for_its_digest() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let long = std::fs::File::create(dir.path().join("model")).expect("makes");
        if long.set_len(1 << 42).is_err() {
            return;
        }
        let error = manifest().verified(dir.path(), "model").expect_err("4 TiB").to_string();
        let expected =
            "found 4398046511104 bytes with another digest, the manifest says 1 bytes with 2";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_manifest_read_back_has_the_same_digest() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        yaml::write_sealed(&dir.path().join(names::MANIFEST), &manifest()).expect("writes");
        let input = input("dense", dir.path(), dir.path()).expect("reads");
        assert_eq!(input.sha256, manifest().digest());
    }
}
