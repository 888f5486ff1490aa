//! What both official layouts share: five training files, a test file, 32 x 32 pixels.

use artifact::{Error, Result};

use super::Tree;
use crate::{Images, Raw};

/// Height and width of an image.
pub const SIDE: usize = 32;
/// Bytes of an image: R, G, B, each row by row.
pub const PIXELS: usize = 3 * SIDE * SIDE;
/// Images of each of the six published files.
const PUBLISHED: usize = 10_000;

/// Puts together the files `names` (five for training, one for testing), each read by `decode`.
pub fn assemble(
    tree: &Tree,
    names: &[&str],
    (source, classes): (&'static str, Vec<String>),
    decode: impl Fn(&[u8], &str) -> Result<Images>,
) -> Result<Raw> {
    let decode = |name: &&str| decode(tree.file(name)?, &tree.place(name));
    let mut parts: Vec<Images> = names.iter().map(decode).collect::<Result<_>>()?;
    check_lengths(tree, names, &parts)?;
    let test = parts.pop().expect("six files");
    let mut train = Images::default();
    for part in parts {
        train.pixels.extend(part.pixels);
        train.labels.extend(part.labels);
    }
    Ok(Raw { source, classes, side: SIDE, train, test })
}

/// The five training files are equally long, and where it is the published length, so is the test
/// file: a file cut or grown by whole images is noticed.
fn check_lengths(tree: &Tree, names: &[&str], parts: &[Images]) -> Result<()> {
    let expected = parts[0].len();
    let checked = if expected == PUBLISHED { parts.len() } else { parts.len() - 1 };
    for (name, part) in names.iter().zip(&parts[..checked]) {
        if part.len() != expected {
            return Err(Error::Integrity(format!(
                "{}: found {} images, expected {expected} as in {}",
                tree.place(name),
                part.len(),
                names[0]
            )));
        }
    }
    Ok(())
}

/// Refuses a label that names no class; `origin` is the file.
pub fn check_label(label: i64, record: usize, classes: usize, origin: &str) -> Result<u8> {
    match u8::try_from(label) {
        Ok(label) if usize::from(label) < classes => Ok(label),
        _ => Err(Error::Config(format!(
            "{origin}: record {record} (counted from 0) has label {label}; expected 0 to {}",
            classes - 1
        ))),
    }
}
