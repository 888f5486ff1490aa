//! A set as it was decoded or rendered, before it is an artifact.

use artifact::record::{ImageShape, PassedOver};
use artifact::stored::Element;
use artifact::tensors::Tensor;
use artifact::{Error, Result, digest};

use crate::Pixels;
use crate::classes::check_names;

/// Images and their labels.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// N x channels x height x width bytes; three channels are R, G, B.
    pub pixels: Pixels,
    /// N class numbers.
    pub labels: Vec<u16>,
}

/// A whole set.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Where it came from: `synthetic`, or the layout as [`artifact::record::Dataset`] names it.
    pub source: &'static str,
    /// Class names by label.
    pub classes: Vec<String>,
    /// The shape of every image.
    pub shape: ImageShape,
    /// Trained on; what [`crate::split`] sets apart included, where there is no validation part.
    pub train: Images,
    /// The validation part, where the set brings its own.
    pub validation: Option<Images>,
    /// The test part; it may be empty where there is a validation part.
    pub test: Images,
    /// What lay beside it and was not taken.
    pub passed_over: Vec<PassedOver>,
    /// What a user should know of it, a sentence each.
    pub remarks: Vec<String>,
}

impl Raw {
    /// A set without images.
    pub fn empty(source: &'static str, classes: Vec<String>, shape: ImageShape) -> Self {
        Self {
            source,
            classes,
            shape,
            train: Images::default(),
            validation: None,
            test: Images::default(),
            passed_over: vec![],
            remarks: vec![],
        }
    }

    /// SHA-256 over all that matters: names, sizes, pixels and labels.
    ///
    /// # Errors
    /// Where the pixels cannot be read.
    pub fn digest(&self) -> Result<String> {
        let classes = self.classes.len();
        let labels = |labels: &[u16]| digest::of_bytes(&label_bytes(labels, classes).1);
        let part = |i: &Images| Ok(i.pixels.digest()? + &labels(&i.labels));
        let size =
            self.shape.side().map_or_else(|| self.shape.to_string(), |side| side.to_string());
        let all = [self.classes.join("\n"), size, part(&self.train)?];
        let validation = self.validation.as_ref().map(|i| Ok(format!("\n\n{}", part(i)?)));
        let validation = validation.transpose()?.unwrap_or_default();
        let all = all.join("\n\n") + &part(&self.test)? + &validation;
        Ok(digest::of_bytes(all.as_bytes()))
    }
}

/// `labels` as they are stored, and the type of each.
pub(crate) fn label_bytes(labels: &[u16], classes: usize) -> (Element, Vec<u8>) {
    match narrow(labels, classes) {
        Some(bytes) => (Element::U8, bytes),
        None => (Element::U16, labels.iter().flat_map(|l| l.to_le_bytes()).collect()),
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

    /// The images `indices`, in memory.
    pub(crate) fn some(&self, indices: &[usize]) -> Result<Self> {
        let (bytes, mut buffer) = (self.pixels.len() / self.len().max(1), vec![]);
        let mut pixels = Vec::with_capacity(bytes * indices.len());
        for &i in indices {
            pixels.extend(self.pixels.get(bytes * i..bytes * (i + 1), &mut buffer)?);
        }
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Ok(Self { pixels: pixels.into(), labels })
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
    check_names(classes, origin)
}
