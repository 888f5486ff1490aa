//! A set as it was decoded or rendered, before it is an artifact.

use std::collections::BTreeSet;

use artifact::record::PassedOver;
use artifact::tensors::Tensor;
use artifact::{Error, Result, digest};

/// Images and their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Images {
    /// N x 3 x side x side bytes: channels R, G, B, each row by row.
    pub pixels: Vec<u8>,
    /// N class numbers.
    pub labels: Vec<u16>,
}

/// A whole set.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    /// Where it came from: `synthetic`, or the layout as [`artifact::record::Dataset`] names it.
    pub source: &'static str,
    /// Class names by label.
    pub classes: Vec<String>,
    /// Height and width of every image in pixels.
    pub side: usize,
    /// Trained on; what [`crate::split`] sets apart included, where there is no validation part.
    pub train: Images,
    /// The validation part, where the set brings its own.
    pub validation: Option<Images>,
    /// The test part; it may be empty where there is a validation part.
    pub test: Images,
    /// What lay beside it and was not taken.
    pub passed_over: Vec<PassedOver>,
}

impl Raw {
    /// A set without images.
    pub fn empty(source: &'static str, classes: Vec<String>, side: usize) -> Self {
        let (train, test) = (Images::default(), Images::default());
        Self { source, classes, side, train, validation: None, test, passed_over: vec![] }
    }

    /// SHA-256 over all that matters: names, sizes, pixels and labels.
    pub fn digest(&self) -> String {
        let labels = |labels: &[u16]| match narrow(labels, self.classes.len()) {
            Some(bytes) => digest::of_bytes(&bytes),
            None => {
                digest::of_bytes(&labels.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<_>>())
            }
        };
        let part = |i: &Images| digest::of_bytes(&i.pixels) + &labels(&i.labels);
        let all = [self.classes.join("\n"), self.side.to_string(), part(&self.train)];
        let validation = self.validation.as_ref().map(|i| format!("\n\n{}", part(i)));
        let all = all.join("\n\n") + &part(&self.test) + &validation.unwrap_or_default();
        digest::of_bytes(all.as_bytes())
    }
}

/// `labels` as bytes, where there are no more than 256 `classes`.
fn narrow(labels: &[u16], classes: usize) -> Option<Vec<u8>> {
    (classes <= 256).then(|| labels.iter().map(|l| *l as u8).collect())
}

/// Class numbers as they are stored: bytes where there are no more than 256 classes, 16 bits above.
pub fn labels_tensor(labels: Vec<u16>, classes: usize) -> Tensor {
    let shape = [labels.len()];
    match narrow(&labels, classes) {
        Some(bytes) => Tensor::u8(&shape, bytes),
        None => Tensor::u16(&shape, labels),
    }
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Images of each of `classes` classes.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }
}

/// The most classes: labels have 16 bits.
pub(crate) const MOST_CLASSES: usize = 65_535;

/// Checks that there are two classes or more, few enough for their labels, with clean, different names.
pub(crate) fn check_classes(classes: &[String], origin: &str) -> Result<()> {
    if !(2..=MOST_CLASSES).contains(&classes.len()) {
        return Err(Error::Config(format!(
            "{origin}: found {} classes; expected 2 to {MOST_CLASSES}",
            classes.len()
        )));
    }
    let mut seen = BTreeSet::new();
    for (i, name) in classes.iter().enumerate() {
        if name.is_empty() || name.chars().any(char::is_control) || !seen.insert(name) {
            return Err(Error::Config(format!(
                "{origin}: class {i} is named {name:?}; expected a name of its own without control \
                 characters"
            )));
        }
    }
    Ok(())
}
