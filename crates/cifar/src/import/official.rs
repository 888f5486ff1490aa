//! What the official layouts share: 32 x 32 pixels; of CIFAR-10 five training files and a test file, of
//! CIFAR-100 one of each.

use artifact::record::ImageShape;
use artifact::{Error, Result};

use super::Tree;
use crate::{Images, Raw, raw};

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
    let (mut pixels, mut labels) = (vec![], vec![]);
    pixels.reserve_exact(parts.iter().map(|part| part.pixels.len()).sum());
    for part in parts {
        part.pixels.pieces(&mut |piece| {
            pixels.extend(piece);
            Ok(())
        })?;
        labels.extend(part.labels);
    }
    let train = Images { pixels: pixels.into(), labels };
    Ok(Raw { train, test, ..Raw::empty(source, classes, ImageShape::square(SIDE)) })
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

/// Class names from a text file: the lines that are not empty. A byte-order mark and the line ends of
/// Windows are no part of a name.
pub fn class_names(bytes: &[u8], origin: &str) -> Result<Vec<String>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::Config(format!("{origin}: not UTF-8 text: {e}")))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let classes: Vec<String> = lines.map(str::to_owned).collect();
    raw::check_classes(&classes, origin).map(|()| classes)
}

/// Reads records of one size, each some bytes of labels and [`PIXELS`] of pixels; the label is the byte
/// `at` of `labels`.
pub fn records(
    bytes: &[u8],
    (at, labels): (usize, usize),
    classes: usize,
    origin: &str,
) -> Result<Images> {
    let record = labels + PIXELS;
    let (whole, rest) = (bytes.len() / record, bytes.len() % record);
    if rest != 0 || whole == 0 {
        return Err(Error::Integrity(format!(
            "{origin}: found {} bytes, {whole} whole records and {rest} bytes of record {whole}; \
             expected records of {record} bytes: the file is truncated or over-long",
            bytes.len()
        )));
    }
    let (mut pixels, mut found) = (Vec::with_capacity(whole * PIXELS), vec![]);
    for (i, record) in bytes.chunks(record).enumerate() {
        found.push(check_label(i64::from(record[at]), i, classes, origin)?);
        pixels.extend(&record[labels..]);
    }
    Ok(Images { pixels: pixels.into(), labels: found })
}

/// Refuses a label that names no class; `origin` is the file.
pub fn check_label(label: i64, record: usize, classes: usize, origin: &str) -> Result<u16> {
    match u16::try_from(label) {
        Ok(label) if usize::from(label) < classes => Ok(label),
        _ => Err(Error::Config(format!(
            "{origin}: record {record} (counted from 0) has label {label}; expected 0 to {}",
            classes - 1
        ))),
    }
}
