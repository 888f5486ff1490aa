//! Strict YAML: a repeated key is an error, with the file and the line in every message.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, Result, digest, file};

pub use serde_yaml::{Mapping, Value};

/// Reads and checks the YAML file at `path`.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse(&file::read_text(path)?, path)
}

/// Parses `text`; `path` is named in errors only.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let bad = |e: serde_yaml::Error| Error::Config(format!("{}: {e}", path.display()));
    serde_yaml::from_str::<NoRepeats>(text).map_err(bad)?;
    serde_yaml::from_str(text).map_err(bad)
}

/// Key of the last line of a sealed file.
const SEAL: &str = "digest: ";

/// Writes `value` to `path`, with the digest of its text as the last line.
pub fn write_sealed<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = text(value);
    let seal = format!("{text}{SEAL}{}\n", digest::of_bytes(text.as_bytes()));
    file::write(path, seal.as_bytes())
}

/// Reads what [`write_sealed`] wrote.
///
/// # Errors
/// [`Error::Integrity`] where the text is not what its last line says.
pub fn read_sealed<T: DeserializeOwned>(path: &Path) -> Result<T> {
    parse(unsealed(&sealed_text(path)?, path)?, path)
}

/// The text of `path`. That it is not UTF-8 is damage where a digest is expected.
pub(crate) fn sealed_text(path: &Path) -> Result<String> {
    String::from_utf8(file::read(path)?)
        .map_err(|e| Error::Integrity(format!("{}: not UTF-8 text: {e}", path.display())))
}

/// `text` without its last line, after that was compared with the rest.
pub(crate) fn unsealed<'a>(text: &'a str, path: &Path) -> Result<&'a str> {
    let body = text.rfind(SEAL).map(|at| text.split_at(at));
    match body {
        Some((body, seal)) if seal == format!("{SEAL}{}\n", digest::of_bytes(body.as_bytes())) => {
            Ok(body)
        }
        _ => Err(Error::Integrity(format!(
            "{}: its text is not what the digest in its last line says: it was changed since it was \
             written; restore it or make it again",
            path.display()
        ))),
    }
}

/// `value` as YAML text.
///
/// # Panics
/// If `value` is not representable: our own types are.
pub fn text<T: Serialize>(value: &T) -> String {
    serde_yaml::to_string(value).expect("our records are plain maps, lists and numbers")
}

/// `value` as a YAML tree.
///
/// # Panics
/// As [`text`].
pub fn value<T: Serialize>(value: &T) -> Value {
    serde_yaml::to_value(value).expect("our records are plain maps, lists and numbers")
}

/// A typed view of a YAML tree read from `path`.
pub fn from_value<T: DeserializeOwned>(value: Value, path: &Path) -> Result<T> {
    serde_yaml::from_value(value).map_err(|e| Error::Config(format!("{}: {e}", path.display())))
}

/// Accepts any document without repeated keys and keeps nothing of it.
struct NoRepeats;

impl<'de> Deserialize<'de> for NoRepeats {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Walk)
    }
}

struct Walk;

macro_rules! scalars {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<E>(self, _: $type) -> Result<NoRepeats, E> { Ok(NoRepeats) })*
    };
}

impl<'de> Visitor<'de> for Walk {
    type Value = NoRepeats;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("YAML without tags")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    /// An empty document.
    fn visit_none<E>(self) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoRepeats, A::Error> {
        while items.next_element::<NoRepeats>()?.is_some() {}
        Ok(NoRepeats)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<NoRepeats, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key::<Value>()? {
            let key = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
            if !seen.insert(key.clone()) {
                entries.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom(format!("the key `{key}` stands twice; keep one")));
            }
            entries.next_value::<NoRepeats>()?;
        }
        Ok(NoRepeats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = match parse::<Value>(text, Path::new("p.yaml")) {
            Ok(_) => "fine".to_owned(),
            Err(e) => e.to_string(),
        };
        assert!(found.contains(expected), "{text:?}: {found:?} lacks {expected:?}");
    }

    #[test]
    fn repeated_keys_are_refused_at_any_depth() {
        check("a: 1\nb: 2\n", "fine");
        check("a: {x: 1}\nb: {x: 1}\n", "fine");
        check("a: 1\na: 2\n", "`a` stands twice");
        check("layers:\n  conv: 0.5\n  conv: 0.6\n", "`conv` stands twice");
        check("layers:\n  conv: 0.5\n  conv: 0.6\n", "line");
        check("- {x: 1, x: 1}\n", "`x` stands twice");
    }

    #[test]
    fn a_seal_notices_every_change() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("s.yaml");
        write_sealed(&path, &["a", "b"]).expect("writes");
        assert_eq!(read_sealed::<Vec<String>>(&path).expect("reads"), ["a", "b"]);
        let bytes = file::read(&path).expect("reads");
        let changed = (0..bytes.len()).map(|at| {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            changed
        });
        let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        for damaged in changed.chain(cut) {
            file::write(&path, &damaged).expect("writes");
            let found = read_sealed::<Vec<String>>(&path).map_err(|e| e.exit_code());
            assert_eq!(found, Err(5), "{}", String::from_utf8_lossy(&damaged));
        }
    }

    #[test]
    fn byte_order_mark_and_scalars() {
        check("\u{feff}a: [1, -2, 0.5, true, null, text]\n", "fine");
        check("a: [1\n", "p.yaml");
        check("", "fine");
        check("# a comment\n", "fine");
    }
}
