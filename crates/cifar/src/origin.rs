//! The dataset that a checkpoint was trained on, without its images.

use std::path::{Path, PathBuf};

use artifact::{Error, Manifest, Result, file, manifest, names, record};

use crate::STAGE;

/// The dataset at the beginning of the checkpoint's history, where that is still there as it was.
///
/// # Errors
/// Where a manifest or a dataset on the way is there and cannot be read.
pub fn of(checkpoint: &Path) -> Result<Option<PathBuf>> {
    if !file::exists(&checkpoint.join(names::MANIFEST))? {
        return Ok(None);
    }
    let manifest = Manifest::read(checkpoint)?;
    let input = |role: &str| manifest.inputs.iter().find(|i| i.role == role);
    let Some(input) = input("dataset").or_else(|| input("checkpoint")) else { return Ok(None) };
    let Some(folder) = manifest.input(checkpoint, &input.role) else { return Ok(None) };
    if !file::exists(&folder.join(names::MANIFEST))? {
        return Ok(None);
    }
    // One that was made again may have other means. (Digests also end what would be a circle.)
    if manifest::digest_of(&folder)? != input.sha256 {
        return Ok(None);
    }
    if input.role == "dataset" { Ok(Some(folder)) } else { self::of(&folder) }
}

/// What the manifest of the dataset in `folder` says: class names, mean and deviation of its
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
    info.normalisation()
        .check(info.shape.channels)
        .map_err(|what| Error::Config(format!("{}: {what}", folder.display())))?;
    Ok(info)
}
