//! Parts of an image folder, by the names of their folders.

/// A part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Trained on.
    Train,
    /// Read once, at a stage's end.
    Test,
    /// Selected on.
    Validation,
}

impl Part {
    /// The part that a folder of this name is, in whichever case it is written.
    pub fn of(folder: &str) -> Option<Self> {
        match folder.to_ascii_lowercase().as_str() {
            "train" => Some(Self::Train),
            "test" => Some(Self::Test),
            "val" | "valid" | "validation" => Some(Self::Validation),
            _ => None,
        }
    }

    /// What it is for, in words.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Test => "testing",
            Self::Validation => "validation",
        }
    }

    /// Its name in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        let check = |name: &str, expected| assert_eq!(Part::of(name), expected, "{name}");
        check("train", Some(Part::Train));
        check("TEST", Some(Part::Test));
        for name in ["val", "Valid", "VALIDATION"] {
            check(name, Some(Part::Validation));
        }
        check("training", None);
        check("", None);
    }
}
