//! Writing a set into an artifact's folder.

use std::collections::BTreeSet;
use std::path::Path;

use artifact::record::{ClassCount, Dataset, ImageShape, Parts};
use artifact::stored::{self, Element, Sink, Source};
use artifact::{Error, Result, names};
use serde_json::{Map, Value};

use crate::split::{self, Indices};
use crate::{Raw, raw, statistics};

/// Names of the tensors of `dataset.safetensors`, (images, labels) of each part: images u8
/// N x channels x height x width, labels u8 N, or u16 where there are more than 256 classes.
pub(crate) const TENSORS: [(&str, &str); 3] = [
    ("train.images", "train.labels"),
    ("test.images", "test.labels"),
    ("validation.images", "validation.labels"),
];

/// How the training file is split.
#[derive(Debug, Clone, Copy)]
pub struct Split {
    /// Fraction of the training images set apart for validation, where the set has no part for it.
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

/// Writes `folder/dataset.safetensors`, with a copy of `record` that [`crate::Dataset::open`] compares.
///
/// # Errors
/// Where the images cannot be read or the file cannot be written.
pub fn write(folder: &Path, raw: &Raw, record: &Dataset) -> Result<()> {
    let ImageShape { channels, height, width } = raw.shape;
    let parts = [Some(&raw.train), Some(&raw.test), raw.validation.as_ref()];
    let mut sources = vec![];
    for ((images, labels), part) in TENSORS.into_iter().zip(parts) {
        let Some(part) = part else { continue };
        sources.push(Source {
            name: images,
            element: Element::U8,
            shape: vec![part.len(), channels, height, width],
            bytes: Box::new(|sink: &mut Sink| part.pixels.pieces(sink)),
        });
        let (element, bytes) = raw::label_bytes(&part.labels, raw.classes.len());
        let bytes = Box::new(move |sink: &mut Sink| sink(&bytes));
        sources.push(Source { name: labels, element, shape: vec![part.len()], bytes });
    }
    stored::write(&folder.join(names::DATASET), sources, Some(&note(record)))
}

/// The record as text, beside the images that it describes.
fn note(record: &Dataset) -> String {
    serde_json::to_string(record).expect("plain fields, names and finite numbers")
}

/// Compares the manifest's `record` with the copy beside the images, in which only what differs from it
/// was changed by hand.
pub(crate) fn check_note(note: &str, record: &Dataset) -> Result<(), String> {
    let bad = |e: serde_json::Error| format!("its note is not the record of a dataset: {e}");
    let noted: Map<String, Value> = serde_json::from_str(note).map_err(bad)?;
    let Value::Object(found) = serde_json::to_value(record).map_err(bad)? else {
        unreachable!("a record has named fields")
    };
    let empty = Value::Array(vec![]);
    let keys: BTreeSet<&String> = noted.keys().chain(found.keys()).collect();
    for key in keys {
        let (was, is) = (noted.get(key).unwrap_or(&empty), found.get(key).unwrap_or(&empty));
        if was != is {
            return Err(format!(
                "the images were written with {key} {was}; the manifest says {is}: it was changed; \
                 restore it or make the dataset again"
            ));
        }
    }
    Ok(())
}

/// The record of `raw`, the result of its manifest.
///
/// Refuses an empty part and a channel that never varies.
pub fn describe(raw: &Raw, split: &Split) -> Result<Dataset> {
    if raw.test.is_empty() && raw.validation.is_none() {
        return Err(nothing_to_score(raw.source));
    }
    let (train, held, validation) = parts(raw, split)?;
    let (mean, std) = statistics::of(&raw.train.pixels, raw.shape, &train)?;
    if let Some(channel) = std.iter().position(|s| *s <= 0.0) {
        return Err(Error::Config(format!(
            "channel {channel} has the same value in every training pixel; it cannot be normalised"
        )));
    }
    let (mean, std) = match split.normaliser {
        Normaliser::Measured => (mean, std),
        Normaliser::ImageNet if raw.shape.channels == IMAGENET.0.len() => {
            (IMAGENET.0.to_vec(), IMAGENET.1.to_vec())
        }
        Normaliser::ImageNet => {
            return Err(Error::Config(format!(
                "--normalise imagenet: has constants of three channels; the images have {}",
                raw.shape.channels
            )));
        }
    };
    Ok(Dataset {
        source: raw.source.to_owned(),
        classes: raw.classes.clone(),
        shape: raw.shape,
        counts: counts(raw),
        images: Parts { train: train.len(), validation: held, test: raw.test.len() },
        validation,
        split_seed: split.seed,
        mean,
        std,
        passed_over: raw.passed_over.clone(),
    })
}

/// A set without a part to score on.
pub(crate) fn nothing_to_score(source: &str) -> Error {
    Error::Config(format!(
        "the {source} set has no test images; add a test part, or a validation part to score on instead, \
         or set some of the training images apart with --test-fraction"
    ))
}

/// The training images, how many validate, and the fraction of the training images that this is: 0 where
/// they are a part of their own.
fn parts(raw: &Raw, split: &Split) -> Result<(Indices, usize, f64)> {
    let Some(own) = &raw.validation else {
        let (train, held) = split::split(raw.train.len(), split.validation, split.seed)?;
        return Ok((train, held.len(), split.validation));
    };
    if raw.train.is_empty() || own.is_empty() {
        return Err(Error::Config(format!("the {} set has an empty part", raw.source)));
    }
    Ok(((0..raw.train.len()).collect(), own.len(), 0.0))
}

fn counts(raw: &Raw) -> Vec<ClassCount> {
    let classes = raw.classes.len();
    let own = raw.validation.as_ref().map_or(vec![0; classes], |own| own.counts(classes));
    let train = raw.train.counts(classes).into_iter().zip(own).map(|(a, b)| a + b);
    let both = train.zip(raw.test.counts(classes));
    raw.classes
        .iter()
        .zip(both)
        .map(|(class, (train, test))| ClassCount { class: class.clone(), train, test })
        .collect()
}
