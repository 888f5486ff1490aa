//! What is wrong with a file, before its name and its exit code are put to it.

use std::path::Path;

use artifact::Error;

/// A failure inside a file whose path is not at hand.
pub enum Fault {
    /// The file is not what its format says.
    Damaged(String),
    /// The file is whole, but what was asked of it does not fit it.
    Question(String),
    /// A pickled module stands where a `state_dict` is expected; it was not made.
    Module(String),
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

impl Fault {
    /// The error of the file `path`.
    pub fn of(self, path: &Path) -> Error {
        let file = path.display();
        match self {
            Self::Damaged(what) => Error::Integrity(format!("{file}: {what}")),
            Self::Question(what) => Error::Config(format!("{file}: {what}")),
            Self::Module(what) => Error::Config(format!(
                "{file}: {what}; save one in PyTorch: torch.save(model.state_dict(), \"{file}\")"
            )),
        }
    }
}

/// `name` as a message may show it: without control characters, not too long.
pub fn shown(name: &str) -> String {
    const MOST: usize = 120;
    let mut text: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().nth(MOST).is_some() {
        text.push_str("..");
    }
    text
}

/// The first dozen of `all`, in one line.
pub fn listed<S: AsRef<str>>(all: &[S]) -> String {
    const MOST: usize = 12;
    let first: Vec<&str> = all.iter().take(MOST).map(AsRef::as_ref).collect();
    match all.len().saturating_sub(MOST) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// As [`listed`], of names that come from a file.
pub fn names<'n>(all: impl IntoIterator<Item = &'n str>) -> String {
    listed(&all.into_iter().map(shown).collect::<Vec<_>>())
}

/// `1 tensor`, `2 tensors`.
pub fn count(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}
