//! The record of a dataset.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ClassCount, Parts, PassedOver};
use crate::Normalisation;

/// The shape of every image of a dataset, and of what a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageShape {
    /// Number of channels.
    pub channels: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// The channels of an image in colour: R, G, B.
const COLOURS: usize = 3;

impl ImageShape {
    /// Square images in colour, `side` pixels high and wide.
    pub const fn square(side: usize) -> Self {
        Self { channels: COLOURS, height: side, width: side }
    }

    /// Pixels of a channel.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Values of an image.
    pub const fn values(self) -> usize {
        self.channels * self.pixels()
    }

    /// Height and width, where these are equal and there are three channels.
    pub fn side(self) -> Option<usize> {
        (self == Self::square(self.height)).then_some(self.height)
    }

    /// Whether there is a pixel, and the number of values of an image is a number of 32 bits.
    fn is_possible(self) -> bool {
        let values = self.channels.checked_mul(self.height).and_then(|n| n.checked_mul(self.width));
        values.is_some_and(|n| (1..=u32::MAX as usize).contains(&n))
    }
}

/// `28 x 28 pixels, 1 channel`, the height first; of three channels the number is left out.
impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} x {} pixels", self.height, self.width)?;
        match self.channels {
            COLOURS => Ok(()),
            1 => write!(f, ", 1 channel"),
            n => write!(f, ", {n} channels"),
        }
    }
}

/// Result of `data-cifar`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Dataset {
    /// Where the images came from: `synthetic`, or the layout that was imported: `binary`,
    /// `python`, `cifar-100-binary`, `cifar-100-python`, `idx`, `numpy`, `folder`.
    pub source: String,
    /// Class names by label.
    pub classes: Vec<String>,
    /// The shape of an image. Written as `side` where that says all, else as `channels`, `height`
    /// and `width`.
    pub shape: ImageShape,
    /// Images a class.
    pub counts: Vec<ClassCount>,
    /// Images of the training, validation and test parts.
    pub images: Parts,
    /// Fraction of the training images set apart for validation; 0 where the source had a
    /// validation part of its own.
    pub validation: f64,
    /// Seed of the split.
    pub split_seed: u64,
    /// Mean of each channel over the training part, pixels scaled to `[0, 1]`.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, likewise.
    pub std: Vec<f64>,
    /// What lay in the source and was not taken.
    pub passed_over: Vec<PassedOver>,
}

impl Dataset {
    /// The normalisation of its images, unless the network has its own.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation { mean: self.mean.clone(), std: self.std.clone() }
    }
}

/// [`Dataset`] as it is written. Square images in colour keep the one field that they always had, so that
/// the digests of their manifests stay what they were.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    source: String,
    classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    side: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channels: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
    counts: Vec<ClassCount>,
    images: Parts,
    validation: f64,
    split_seed: u64,
    mean: Vec<f64>,
    std: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<PassedOver>,
}

impl From<Dataset> for Written {
    fn from(d: Dataset) -> Self {
        let side = d.shape.side();
        let unless_side = |value| if side.is_none() { Some(value) } else { None };
        Self {
            source: d.source,
            classes: d.classes,
            side,
            channels: unless_side(d.shape.channels),
            height: unless_side(d.shape.height),
            width: unless_side(d.shape.width),
            counts: d.counts,
            images: d.images,
            validation: d.validation,
            split_seed: d.split_seed,
            mean: d.mean,
            std: d.std,
            passed_over: d.passed_over,
        }
    }
}

impl TryFrom<Written> for Dataset {
    type Error = String;

    fn try_from(w: Written) -> Result<Self, String> {
        let shape = match (w.side, w.channels, w.height, w.width) {
            (Some(side), None, None, None) => ImageShape::square(side),
            (None, Some(channels), Some(height), Some(width)) => {
                ImageShape { channels, height, width }
            }
            _ => return Err("expected either side, or channels, height and width".to_owned()),
        };
        if !shape.is_possible() {
            return Err(format!(
                "images of {shape}; expected at least 1 and fewer than 2^32 values"
            ));
        }
        Ok(Self {
            source: w.source,
            classes: w.classes,
            shape,
            counts: w.counts,
            images: w.images,
            validation: w.validation,
            split_seed: w.split_seed,
            mean: w.mean,
            std: w.std,
            passed_over: w.passed_over,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shape: ImageShape) -> String {
        let dataset = Dataset {
            source: "idx".into(),
            classes: vec!["a".into()],
            shape,
            counts: vec![],
            images: Parts { train: 2, validation: 1, test: 0 },
            validation: 0.5,
            split_seed: 1,
            mean: vec![0.5],
            std: vec![0.25],
            passed_over: vec![],
        };
        serde_json::to_string(&dataset).expect("plain fields")
    }

    #[test]
    fn square_images_in_colour_are_written_as_they_always_were() {
        let expected = r#"{"source":"idx","classes":["a"],"side":32,"counts":[],"images":{"train":2,"validation":1,"test":0},"validation":0.5,"split_seed":1,"mean":[0.5],"std":[0.25]}"#;
        assert_eq!(text(ImageShape::square(32)), expected);
        let grey = ImageShape { channels: 1, height: 28, width: 20 };
        assert!(text(grey).contains(r#""channels":1,"height":28,"width":20,"counts""#));
    }

    #[test]
    fn every_shape_comes_back_and_half_a_shape_does_not() {
        for shape in [ImageShape::square(8), ImageShape { channels: 4, height: 1, width: 9 }] {
            let back: Dataset = serde_json::from_str(&text(shape)).expect("as written");
            assert_eq!(back.shape, shape);
        }
        let refused = |from: &str, to: &str, expected: &str| {
            let changed = text(ImageShape::square(8)).replace(from, to);
            let error = serde_json::from_str::<Dataset>(&changed).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        };
        refused(r#""side":8,"#, "", "expected either side");
        refused(r#""side":8,"#, r#""side":8,"width":8,"#, "expected either side");
        refused(r#""side":8,"#, r#""side":0,"#, "at least 1");
        refused(r#""side":8,"#, r#""side":8,"depth":8,"#, "unknown field");
    }
}
