//! The attributes of an operation as `key=value` pairs, and what values look like.

use std::fmt::Display;

use artifact::nearest;
use geometry::{Sides, Size};

/// The pairs of one line, those that were read taken out.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    left: Vec<(String, String)>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
}

impl Fields {
    /// The pairs `words`.
    pub fn new<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut fields = Self::default();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(format!("{word:?}; expected KEY=VALUE"));
            };
            if fields.left.iter().any(|(known, _)| known == key) {
                return Err(format!("{key} is given twice"));
            }
            fields.left.push((key.to_owned(), value.to_owned()));
        }
        Ok(fields)
    }

    /// The value of `key`, if it is given.
    pub fn take<T: Value>(&mut self, key: &'static str) -> Result<Option<T>, String> {
        self.known.push(key);
        let Some(at) = self.left.iter().position(|(found, _)| found == key) else {
            return Ok(None);
        };
        let text = self.left.remove(at).1;
        let read = T::read(&text);
        read.map(Some).ok_or_else(|| format!("{key}={text}; expected {}", T::WHAT))
    }

    /// The value of `key`, or `usual`.
    pub fn or<T: Value>(&mut self, key: &'static str, usual: T) -> Result<T, String> {
        Ok(self.take(key)?.unwrap_or(usual))
    }

    /// The value of `key`, which must be given.
    pub fn needed<T: Value>(&mut self, key: &'static str) -> Result<T, String> {
        self.take(key)?.ok_or_else(|| format!("{key}= is missing: {}", T::WHAT))
    }

    /// Refuses what nobody asked for.
    pub fn finish(self) -> Result<(), String> {
        let Some((key, _)) = self.left.first() else { return Ok(()) };
        if self.known.is_empty() {
            return Err(format!("{key}= is unknown; this operation has no attributes"));
        }
        Err(format!("{key}= is unknown{}", nearest::hint(key, self.known.iter().copied())))
    }
}

/// What may stand behind `key=`.
pub(crate) trait Value: Sized {
    /// For messages.
    const WHAT: &'static str;
    fn read(text: &str) -> Option<Self>;
}

impl Value for usize {
    const WHAT: &'static str = "a whole number";

    fn read(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    }
}

impl Value for f32 {
    const WHAT: &'static str = "a finite number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|v: &Self| v.is_finite())
    }
}

impl Value for f64 {
    const WHAT: &'static str = "a finite number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|v: &Self| v.is_finite())
    }
}

impl Value for bool {
    const WHAT: &'static str = "true or false";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for Size {
    const WHAT: &'static str = "a whole number, or HEIGHTxWIDTH";

    fn read(text: &str) -> Option<Self> {
        let Some((h, w)) = text.split_once('x') else {
            return usize::read(text).map(Self::square);
        };
        Some(Self { h: usize::read(h)?, w: usize::read(w)? })
    }
}

impl Value for Sides {
    const WHAT: &'static str = "a whole number, VERTICALxHORIZONTAL, or TOP,LEFT,BOTTOM,RIGHT";

    fn read(text: &str) -> Option<Self> {
        let four: Vec<&str> = text.split(',').collect();
        if let [top, left, bottom, right] = four[..] {
            let [top, left] = [usize::read(top)?, usize::read(left)?];
            let [bottom, right] = [usize::read(bottom)?, usize::read(right)?];
            return Some(Self { top, left, bottom, right });
        }
        let Size { h, w } = Size::read(text)?;
        Some(Self { top: h, left: w, bottom: h, right: w })
    }
}

/// Pairs to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Written(String);

impl Written {
    /// With `key=value` behind it.
    pub fn field(mut self, key: &str, value: impl Display) -> Self {
        self.0 = format!("{} {key}={value}", self.0);
        self
    }

    /// As [`Self::field`], unless `value` is the usual one.
    pub fn unless<T: Display + PartialEq + Copy>(self, key: &str, value: T, usual: T) -> Self {
        if value == usual { self } else { self.field(key, value) }
    }

    /// The pairs, each with a space before it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Value for String {
    const WHAT: &'static str = "a word";

    fn read(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }
}
