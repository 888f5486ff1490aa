//! Flags whose values have names.

use artifact::Named;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// Parses a value of `T` by its name; `--help` lists all of them.
pub fn named<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let word = |own: &T| PossibleValue::new(own.name()).help(own.about());
    PossibleValuesParser::new(T::ALL.iter().map(word))
        .map(|word| T::named(&word).expect("one of them"))
}
