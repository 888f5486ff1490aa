//! Writing a set into an artifact's folder.

use std::path::Path;

use artifact::record::{ClassCount, Dataset, Parts};
use artifact::tensors::{self, Tensor, Tensors};
use artifact::{Error, Result, names};

use crate::{Images, Raw, split, statistics};

/// Names of the tensors of `dataset.safetensors`: images u8 N x 3 x side x side, labels u8 N.
pub(crate) const TENSORS: [&str; 4] =
    ["train.images", "train.labels", "test.images", "test.labels"];

/// How the training file is split.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    /// Fraction of the training images set apart for validation.
    pub validation: f64,
    /// Seed of the split.
    pub seed: u64,
    /// What pixels are normalised by.
    pub normaliser: Normaliser,
}

/// Where the mean and the deviation come from that pixels are normalised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normaliser {
    /// The training part of the images themselves.
    Measured,
    /// The constants that torchvision's networks were trained with on `ImageNet`.
    ImageNet,
}

/// Mean and deviation of `ImageNet`'s channels R, G, B, as torchvision has them.
const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// Writes `folder/dataset.safetensors`.
pub fn write(folder: &Path, raw: Raw) -> Result<()> {
    let shape = |i: &Images| [i.len(), 3, raw.side, raw.side];
    let pair =
        |i: Images| [Tensor::u8(&shape(&i), i.pixels), Tensor::u8(&[i.labels.len()], i.labels)];
    let values = pair(raw.train).into_iter().chain(pair(raw.test));
    let named: Tensors = TENSORS.map(str::to_owned).into_iter().zip(values).collect();
    tensors::write(&folder.join(names::DATASET), &named, None)
}

/// The record of `raw`, the result of its manifest.
///
/// Refuses an empty part and a channel that never varies.
pub fn describe(raw: &Raw, split: &Split) -> Result<Dataset> {
    if raw.test.is_empty() {
        return Err(Error::Config(format!("the {} set has no test images", raw.source)));
    }
    let (train, validation) = split::split(raw.train.len(), split.validation, split.seed)?;
    let (mean, std) = statistics::of(&raw.train.pixels, raw.side, &train);
    if let Some(channel) = std.iter().position(|s| *s <= 0.0) {
        return Err(Error::Config(format!(
            "channel {channel} has the same value in every training pixel; it cannot be normalised"
        )));
    }
    let (mean, std) = match split.normaliser {
        Normaliser::Measured => (mean, std),
        Normaliser::ImageNet => (IMAGENET.0.to_vec(), IMAGENET.1.to_vec()),
    };
    Ok(Dataset {
        source: raw.source.to_owned(),
        classes: raw.classes.clone(),
        side: raw.side,
        counts: counts(raw),
        images: Parts { train: train.len(), validation: validation.len(), test: raw.test.len() },
        validation: split.validation,
        split_seed: split.seed,
        mean,
        std,
    })
}

fn counts(raw: &Raw) -> Vec<ClassCount> {
    let classes = raw.classes.len();
    let both = raw.train.counts(classes).into_iter().zip(raw.test.counts(classes));
    raw.classes
        .iter()
        .zip(both)
        .map(|(class, (train, test))| ClassCount { class: class.clone(), train, test })
        .collect()
}
