//! Enumerations whose values flags, recipes and records refer to by name.

use crate::{Error, Result, nearest};

/// An enumeration whose values have names.
pub trait Named: Copy + PartialEq + 'static {
    /// What is enumerated, for errors.
    const WHAT: &'static str;
    /// All of them, the default first.
    const ALL: &'static [Self];

    /// Its name in flags, recipes and records.
    fn name(self) -> &'static str;

    /// What it means, as a line of `--help`.
    fn about(self) -> &'static str;

    /// A value beside [`Self::ALL`] that `word` is a name of, where there are more than can be listed.
    fn parsed(_word: &str) -> Option<Self> {
        None
    }

    /// The value with this name.
    ///
    /// # Errors
    /// [`Error::Config`] where there is none.
    fn named(word: &str) -> Result<Self> {
        let names: Vec<&str> = Self::ALL.iter().map(|own| own.name()).collect();
        let found = Self::ALL.iter().find(|own| own.name() == word);
        found.copied().or_else(|| Self::parsed(word)).ok_or_else(|| {
            let hint = nearest::hint(word, names.iter().copied());
            let what = Self::WHAT;
            Error::Config(format!("{what} {word:?}{hint}; expected one of {}", names.join(", ")))
        })
    }
}
