//! Flags whose values have names.

use std::ffi::OsStr;
use std::marker::PhantomData;

use artifact::Named;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, Error};

/// Parses a value of `T` by its name; `--help` lists all of them.
pub fn named<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    Parser(PhantomData)
}

struct Parser<T>(PhantomData<fn() -> T>);

impl<T> Clone for Parser<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T: Named> Parser<T> {
    fn listed() -> impl Iterator<Item = PossibleValue> {
        T::ALL.iter().map(|own| PossibleValue::new(own.name()).help(own.about()))
    }
}

impl<T: Named + Send + Sync> TypedValueParser for Parser<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, word: &OsStr) -> Result<T, Error> {
        if let Some(Ok(own)) = word.to_str().map(T::named) {
            return Ok(own);
        }
        let listed = PossibleValuesParser::new(Self::listed());
        listed.parse_ref(command, arg, word).map(|word| T::named(&word).expect("one of them"))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(Self::listed()))
    }
}
