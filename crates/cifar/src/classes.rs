//! Whether a checkpoint and a dataset mean the same classes by the same labels.

use std::collections::BTreeSet;
use std::path::Path;

use artifact::{Error, Result};

use crate::Dataset;

/// What to go on with where the class names of a checkpoint and of a dataset differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassesOf {
    /// The checkpoint's: the dataset's labels are renumbered, name by name.
    Checkpoint,
    /// The dataset's: labels stay, and its names are recorded from here on.
    Data,
    /// Neither: labels stay, and the checkpoint's names are kept.
    Ignore,
}

/// Class names by label, and how a dataset's labels become those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The name of each class, in the order of the logits.
    pub names: Vec<String>,
    /// The number of each of the dataset's classes among `names`, where that is not its label.
    pub renumbered: Option<Vec<u16>>,
}

/// The classes that a checkpoint, whose manifest names `known` (none where it does not know them), and a
/// dataset with the classes `found`, in the folder `data`, agree on.
///
/// # Errors
/// [`Error::Config`] with both lists, where they differ and `which` is not given, or where `which` is
/// [`ClassesOf::Checkpoint`] and the names are not the same in another order.
pub fn agree(
    known: &[String],
    found: &[String],
    which: Option<ClassesOf>,
    data: &Path,
) -> Result<Agreed> {
    let of = |names: &[String]| Agreed { names: names.to_vec(), renumbered: None };
    if known.is_empty() || known == found {
        return Ok(of(found));
    }
    match which {
        None => Err(refused(known, found, data)),
        Some(ClassesOf::Data) => Ok(of(found)),
        Some(ClassesOf::Ignore) => Ok(of(known)),
        Some(ClassesOf::Checkpoint) => {
            // There are at most as many classes as labels of 16 bits.
            let number = |name: &String| known.iter().position(|k| k == name).map(|at| at as u16);
            let renumbered: Option<Vec<u16>> = found.iter().map(number).collect();
            match renumbered {
                Some(numbers) => Ok(Agreed { renumbered: Some(numbers), ..of(known) }),
                None => Err(unknown(known, found, data)),
            }
        }
    }
}

impl Dataset {
    /// The same images with the labels of `agreed`, which [`agree`] gave for this dataset.
    #[must_use]
    pub fn agreeing(self, agreed: &Agreed) -> Self {
        match &agreed.renumbered {
            Some(numbers) => self.renumbered(numbers, &agreed.names),
            None => self,
        }
    }
}

fn refused(known: &[String], found: &[String], data: &Path) -> Error {
    let differ = known.iter().zip(found).enumerate().find(|(_, (a, b))| a != b);
    let first = differ.map_or_else(String::new, |(i, (a, b))| {
        format!(
            " (class {i}, the first that differs, is {b} in the dataset and {a} in the checkpoint)"
        )
    });
    Error::Config(format!(
        "{}: its classes are {}; the checkpoint was trained on {}{first}; go on with --classes-of checkpoint (matches them by name), data (keeps the numbers, \
         takes the dataset's names) or ignore (keeps the numbers and the checkpoint's names)",
        data.display(),
        listed(found),
        listed(known)
    ))
}

fn unknown(known: &[String], found: &[String], data: &Path) -> Error {
    let stranger = found.iter().find(|name| !known.contains(name)).map_or("", String::as_str);
    Error::Config(format!(
        "{}: --classes-of checkpoint: its class {stranger} is none of the checkpoint's ({}); where the \
         numbers mean the same, go on with --classes-of data or ignore",
        data.display(),
        listed(known)
    ))
}

/// Names in a message: all of a few, the first of many.
fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Refuses names of classes that are empty, not different, or hold control characters; `origin` is named in
/// errors.
///
/// # Errors
/// [`Error::Config`] with the first such name.
pub fn check_names(classes: &[String], origin: &str) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (i, name) in classes.iter().enumerate() {
        if name.is_empty() || name.chars().any(char::is_control) || !seen.insert(name) {
            return Err(Error::Config(format!(
                "{origin}: class {i} is named {name:?}; expected a unique, non-empty name without \
                 control characters"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn agreed(known: &str, found: &str, which: Option<ClassesOf>) -> Result<Agreed> {
        agree(&names(known), &names(found), which, Path::new("data"))
    }

    #[test]
    fn the_same_names_in_the_same_order_agree() {
        let agreed = agreed("blue green red", "blue green red", None).expect("the same");
        assert_eq!(agreed, Agreed { names: names("blue green red"), renumbered: None });
        let unknown = agree(&[], &names("a b"), None, Path::new("data")).expect("nothing differs");
        assert_eq!(unknown.names, names("a b"));
    }

    #[test]
    fn others_are_refused_with_both_lists() {
        let check = |found: &str, expected: &str| {
            let error = agreed("blue green red", found, None).expect_err("differs");
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        check("red blue green", "its classes are red, blue, green; the checkpoint");
        check(
            "red blue green",
            "was trained on blue, green, red (class 0, the first that differs, is red in",
        );
        check(
            "blue green red2",
            "(class 2, the first that differs, is red2 in the dataset and red in",
        );
    }

    #[test]
    fn a_flag_says_how_to_go_on() {
        let found = "red blue green";
        let go_on = |which| agreed("blue green red", found, Some(which)).expect("goes on");
        let by_name = go_on(ClassesOf::Checkpoint);
        assert_eq!(by_name.names, names("blue green red"));
        assert_eq!(by_name.renumbered, Some(vec![2, 0, 1]));
        assert_eq!(go_on(ClassesOf::Data), Agreed { names: names(found), renumbered: None });
        assert_eq!(go_on(ClassesOf::Ignore).names, names("blue green red"));
        let strange = agreed("blue green red", "1-red 2-blue 3-green", Some(ClassesOf::Checkpoint));
        let error = strange.expect_err("no such names").to_string();
        assert!(error.contains("its class 1-red is none of the checkpoint's"), "{error}");
    }
}
