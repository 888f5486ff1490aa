//! A set as it was decoded or rendered, before it is an artifact.

use artifact::{Error, Result, digest};

/// Images and their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Images {
    /// N x 3 x side x side bytes: channels R, G, B, each row by row.
    pub pixels: Vec<u8>,
    /// N class numbers.
    pub labels: Vec<u8>,
}

/// A whole set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Where it came from: `synthetic`, `binary`, `python` or `folder`.
    pub source: &'static str,
    /// Class names by label.
    pub classes: Vec<String>,
    /// Height and width of every image in pixels.
    pub side: usize,
    /// The training file, validation included.
    pub train: Images,
    /// The test file.
    pub test: Images,
}

impl Raw {
    /// SHA-256 over all that matters: names, sizes, pixels and labels.
    pub fn digest(&self) -> String {
        let part = |i: &Images| digest::of_bytes(&i.pixels) + &digest::of_bytes(&i.labels);
        let all = [self.classes.join("\n"), self.side.to_string(), part(&self.train)];
        digest::of_bytes((all.join("\n\n") + &part(&self.test)).as_bytes())
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

/// Checks that there are two classes or more, few enough for a byte, with clean, different names.
pub(crate) fn check_classes(classes: &[String], origin: &str) -> Result<()> {
    if !(2..=256).contains(&classes.len()) {
        return Err(Error::Config(format!(
            "{origin}: found {} classes; expected 2 to 256",
            classes.len()
        )));
    }
    for (i, name) in classes.iter().enumerate() {
        if name.is_empty() || name.chars().any(char::is_control) || classes[..i].contains(name) {
            return Err(Error::Config(format!(
                "{origin}: class {i} is named {name:?}; expected a name of its own"
            )));
        }
    }
    Ok(())
}
