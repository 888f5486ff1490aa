//! The dataset that a checkpoint was trained on, without its images.

use std::path::{Path, PathBuf};

use artifact::{Error, Manifest, Result, manifest, record};

use crate::STAGE;

/// The dataset at the beginning of the checkpoint's history, where that is still there as it was.
pub fn of(checkpoint: &Path) -> Option<PathBuf> {
    let manifest = Manifest::read(checkpoint).ok()?;
    let input = |role: &str| manifest.inputs.iter().find(|i| i.role == role);
    let input = input("dataset").or_else(|| input("checkpoint"))?;
    let folder = manifest.input(checkpoint, &input.role)?;
    // One that was made again may have other means. (Digests also end what would be a circle.)
    if manifest::digest_of(&folder).ok()? != input.sha256 {
        return None;
    }
    if input.role == "dataset" { Some(folder) } else { self::of(&folder) }
}

/// What the manifest of the dataset in `folder` says: class names, mean and deviation of three
/// channels.
///
/// # Errors
/// [`Error::Missing`] where there is no artifact, [`Error::Config`] where it is no such dataset.
pub fn describe(folder: &Path) -> Result<record::Dataset> {
    let manifest = Manifest::read(folder)?;
    if manifest.stage != STAGE {
        return Err(Error::Config(format!(
            "{}: made by {}; expected a dataset",
            folder.display(),
            manifest.stage
        )));
    }
    let info: record::Dataset = manifest.result(folder)?;
    if info.mean.len() == 3 && info.std.len() == 3 {
        return Ok(info);
    }
    Err(Error::Config(format!("{}: mean and std are not of three channels", folder.display())))
}
