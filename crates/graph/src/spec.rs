//! A network's name with its width: `resnet18`, `resnet18@0.25`.

use std::fmt;

use artifact::{Error, Result, nearest};

use crate::zoo;

/// Name and width multiplier.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// A name of the zoo.
    pub name: String,
    /// Factor on every channel count but the input's and the classes'; in `(0, 4]`.
    pub width: f64,
}

impl Spec {
    /// Parses `NAME` or `NAME@WIDTH`.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, width) = text.split_once('@').unwrap_or((text, "1"));
        if !zoo::names().any(|known| known == name) {
            return Err(Error::Config(format!(
                "network {name:?} is unknown{}; expected one of {}, with @WIDTH behind it if wanted",
                nearest::hint(name, zoo::names()),
                zoo::names().collect::<Vec<_>>().join(", ")
            )));
        }
        match width.parse::<f64>() {
            Ok(width) if width > 0.0 && width <= 4.0 => Ok(Self { name: name.to_owned(), width }),
            _ => Err(Error::Config(format!(
                "network {text:?}: width {width:?}; expected a number over 0 and up to 4"
            ))),
        }
    }

    /// `channels` under this width: rounded, at least 1.
    pub(crate) fn scaled(&self, channels: usize) -> usize {
        ((channels as f64 * self.width).round() as usize).max(1)
    }

    /// As [`Spec::scaled`], but a multiple of eight.
    pub(crate) fn in_eights(&self, channels: usize) -> usize {
        in_eights(channels as f64 * self.width)
    }
}

/// The multiple of eight nearest to `channels`, or the next larger one where that would take off
/// more than a tenth (torchvision's rule).
pub(crate) fn in_eights(channels: f64) -> usize {
    let nearest = ((channels / 8.0 + 0.5).floor() as usize * 8).max(8);
    if (nearest as f64) < 0.9 * channels { nearest + 8 } else { nearest }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.width == 1.0 {
            f.write_str(&self.name)
        } else {
            write!(f, "{}@{}", self.name, self.width)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = Spec::parse(text).map_or_else(|e| e.to_string(), |s| s.to_string());
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn names_and_widths() {
        check("resnet18", "resnet18");
        check("resnet18@1", "resnet18");
        check("vgg-lab@0.250", "vgg-lab@0.25");
        check("resnet81", "is unknown (did you mean resnet18?); expected one of");
        for width in ["0", "-1", "nan", "5", "x", ""] {
            check(&format!("resnet18@{width}"), "expected a number over 0");
        }
    }
}
