//! Arrays of `NumPy`: `.npy` files in a folder, or in a `.npz`, which is a zip archive of them.
//!
//! Images are `uint8`, images x height x width, with the channels behind these where there are several.
//! Labels are whole numbers, one an image. Parts are named as Keras names them (`x_train`, `y_train`,
//! `x_val`, `x_test`) or as `MedMNIST` does (`train_images`, `train_labels`, `val_images`, `test_images`).

use artifact::record::ImageShape;
use artifact::{Error, Result};

use super::numpy::Element;
use super::part::Part;
use super::{Tree, check_size};
use crate::{Images, Raw, raw};

/// The most channels of a picture; so few rows of so many columns and channels are channels in front.
const MOST_COLOURS: usize = 4;

/// The content of a file.
struct Array<'a> {
    element: Element,
    shape: Vec<usize>,
    bytes: &'a [u8],
}

/// The part and the kind that the file `name` is of, where it is one: whether it holds labels.
pub fn part_of(name: &str) -> Option<(Part, bool)> {
    let stem = name.strip_suffix(".npy")?;
    let (part, labels) = if let Some(part) = stem.strip_prefix("x_") {
        (part, false)
    } else if let Some(part) = stem.strip_prefix("y_") {
        (part, true)
    } else if let Some(part) = stem.strip_suffix("_images") {
        (part, false)
    } else {
        (stem.strip_suffix("_labels")?, true)
    };
    (part == part.to_ascii_lowercase()).then_some((Part::of(part)?, labels))
}

/// Decodes the arrays of a tree; the test and the validation part may be missing.
pub fn decode(tree: &Tree) -> Result<Raw> {
    let parts = [Part::Train, Part::Test, Part::Validation].map(|part| images(tree, part));
    let [train, test, validation] = parts;
    let Some((shape, train)) = train? else {
        return Err(Error::Missing(format!(
            "{}: no such file; expected x_train.npy or train_images.npy",
            tree.place("x_train.npy")
        )));
    };
    let same = |found: Option<(ImageShape, Images)>| match found {
        Some((other, _)) if other != shape => Err(Error::Config(format!(
            "{}: training images of {shape} and others of {other}",
            tree.origin
        ))),
        found => Ok(found.map(|(_, images)| images)),
    };
    let (test, validation) = (same(test?)?.unwrap_or_default(), same(validation?)?);
    let all = [Some(&train), Some(&test), validation.as_ref()].into_iter().flatten();
    let most = all.flat_map(|images| &images.labels).max().map_or(0, |l| usize::from(*l) + 1);
    let classes = (0..most).map(|class| class.to_string()).collect();
    Ok(Raw { train, validation, test, ..Raw::empty("numpy", classes, shape) })
}

/// The images of a part, where it is there.
fn images(tree: &Tree, part: Part) -> Result<Option<(ImageShape, Images)>> {
    let (pixels, labels) = match (find(tree, part, false)?, find(tree, part, true)?) {
        (None, None) => return Ok(None),
        (Some(pixels), Some(labels)) => (pixels, labels),
        (Some(one), None) | (None, Some(one)) => {
            return Err(Error::Missing(format!(
                "{}: has no counterpart: images come with labels",
                tree.place(one)
            )));
        }
    };
    let bad = |name: &str, what: String| Error::Integrity(format!("{}: {what}", tree.place(name)));
    let array = read(tree.file(pixels)?).map_err(|what| bad(pixels, what))?;
    let shape =
        shape(&array).map_err(|what| Error::Config(format!("{}: {what}", tree.place(pixels))))?;
    check_size(shape, &tree.place(pixels))?;
    let numbers = read(tree.file(labels)?).map_err(|what| bad(labels, what))?;
    let labels = numbers.labels(array.shape[0]).map_err(|what| bad(labels, what))?;
    Ok(Some((shape, Images { pixels: planes(array.bytes, shape).into(), labels })))
}

/// The file of a part and a kind.
fn find(tree: &Tree, part: Part, labels: bool) -> Result<Option<&str>> {
    let mut found = tree.files.keys().filter(|name| part_of(name) == Some((part, labels)));
    match (found.next(), found.next()) {
        (Some(one), Some(two)) => Err(Error::Config(format!(
            "{}: {one} and {two} are the same part; move one away",
            tree.origin
        ))),
        (one, _) => Ok(one.map(String::as_str)),
    }
}

/// The shape of the images that an array holds.
fn shape(array: &Array) -> Result<ImageShape, String> {
    let expected =
        "expected bytes (uint8), images x height x width or images x height x width x channels";
    let (height, width, channels) = match array.shape[..] {
        [_, height, width] => (height, width, 1),
        [_, channels, height, width]
            if channels <= MOST_COLOURS && height.min(width) > MOST_COLOURS =>
        {
            return Err(format!(
                "{:?} has its channels in front; {expected}: transpose it",
                array.shape
            ));
        }
        [_, height, width, channels] => (height, width, channels),
        _ => return Err(format!("shape {:?}; {expected}", array.shape)),
    };
    if array.element.size != 1 || array.element.signed || array.shape[0] == 0 || channels == 0 {
        return Err(format!("{} of shape {:?}; {expected}", array.element, array.shape));
    }
    Ok(ImageShape { channels, height, width })
}

/// Images whose channels are together in each pixel, taken apart.
fn planes(bytes: &[u8], shape: ImageShape) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for image in bytes.chunks(shape.values()) {
        (0..shape.channels).for_each(|c| out.extend(image[c..].iter().step_by(shape.channels)));
    }
    out
}

impl Array<'_> {
    /// Its numbers, as labels of `images` images.
    fn labels(&self, images: usize) -> Result<Vec<u16>, String> {
        if self.shape != [images] && self.shape != [images, 1] {
            return Err(format!("labels of shape {:?}; expected [{images}]", self.shape));
        }
        let label = |(i, bytes): (usize, &[u8])| {
            let label = self.element.read(bytes);
            let known = u16::try_from(label).ok().filter(|l| usize::from(*l) < raw::MOST_CLASSES);
            known.ok_or_else(|| {
                format!("label {i} is {label}; expected 0 to {}", raw::MOST_CLASSES - 1)
            })
        };
        self.bytes.chunks(self.element.size).enumerate().map(label).collect()
    }
}

/// An array from the bytes of its file: a signature, the length of a header, this, and the numbers.
fn read(bytes: &[u8]) -> Result<Array<'_>, String> {
    let cut = || "not a whole .npy file".to_owned();
    let version = bytes.strip_prefix(b"\x93NUMPY").and_then(|b| b.first()).ok_or_else(cut)?;
    let (length, start) = match (version, bytes.get(8..12).ok_or_else(cut)?) {
        (1, b) => (usize::from(u16::from_le_bytes([b[0], b[1]])), 10),
        (_, b) => (u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize, 12),
    };
    let header = bytes.get(start..start + length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "a header that is no text".to_owned())?;
    let field = |name: &str| {
        let value = header.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
        value.ok_or_else(|| format!("a header without {name}"))
    };
    if field("fortran_order")?.starts_with("True") {
        return Err("an array in Fortran order; save it through numpy.ascontiguousarray".to_owned());
    }
    let descr = field("descr")?.trim_start_matches('\'');
    let element = descr.split('\'').next().and_then(Element::of).ok_or_else(|| {
        let descr: String = descr.chars().take(8).flat_map(char::escape_debug).collect();
        format!("numbers of type {descr}; expected whole ones")
    })?;
    let shape = field("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let sizes = shape.map_or("", |(sizes, _)| sizes).split(',').map(str::trim);
    let shape: Result<Vec<usize>, _> = sizes.filter(|n| !n.is_empty()).map(str::parse).collect();
    let shape = shape.map_err(|_| "a header whose shape is no list of sizes".to_owned())?;
    let bytes = &bytes[start + length..];
    let expected = shape.iter().try_fold(element.size, |n, d| n.checked_mul(*d));
    if expected != Some(bytes.len()) {
        return Err(format!("an array of {element} of shape {shape:?} has {} bytes", bytes.len()));
    }
    Ok(Array { element, shape, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [&b"\x93NUMPY\x01\0"[..], &length, header.as_bytes(), values].concat()
    }

    /// Two images of 1 x 2 pixels and two channels, labelled 1 and 0.
    fn files() -> BTreeMap<String, Vec<u8>> {
        let images = npy("|u1", "2, 1, 2, 2", &[1, 2, 3, 4, 5, 6, 7, 8]);
        let labels = npy("<i8", "2, 1", &[[1, 0, 0, 0, 0, 0, 0, 0], [0; 8]].concat());
        [("train_images.npy".to_owned(), images), ("train_labels.npy".to_owned(), labels)].into()
    }

    fn check(change: impl Fn(&mut BTreeMap<String, Vec<u8>>), expected: &str) {
        let mut files = files();
        change(&mut files);
        let found = match decode(&Tree::of(files)) {
            Ok(raw) => format!("{:?} {} {:?} {:?}", raw.classes, raw.shape, raw.train, raw.test),
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn channels_are_taken_apart() {
        check(
            |_| (),
            "[\"0\", \"1\"] 1 x 2 pixels, 2 channels Images { pixels: Memory([1, 3, 2, 4, 5, 7, 6, 8]), \
             labels: [1, 0] }",
        );
        let grey = npy("|u1", "2, 1, 4", &[1, 2, 3, 4, 5, 6, 7, 8]);
        let put =
            |f: &mut BTreeMap<String, Vec<u8>>| drop(f.insert("x_test.npy".into(), grey.clone()));
        check(put, "exit 4: d/x_test.npy: has no counterpart");
        let both = |f: &mut BTreeMap<String, Vec<u8>>| {
            put(f);
            f.insert("y_test.npy".into(), npy(">u2", "2,", &[1, 44, 0, 1]));
        };
        check(both, "exit 3: d: training images of 1 x 2 pixels, 2 channels and others of 1 x 4");
    }

    #[test]
    fn names_are_those_of_keras_and_medmnist() {
        assert_eq!(part_of("x_train.npy"), Some((Part::Train, false)));
        assert_eq!(part_of("y_val.npy"), Some((Part::Validation, true)));
        assert_eq!(part_of("test_images.npy"), Some((Part::Test, false)));
        for other in ["train.npy", "x_train.npz", "a/x_train.npy", "X_train.npy", "x_more.npy"] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }

    #[test]
    fn defects_are_named() {
        let with = |name: &str, bytes: Vec<u8>| {
            let name = format!("train_{name}.npy");
            move |f: &mut BTreeMap<String, Vec<u8>>| drop(f.insert(name.clone(), bytes.clone()))
        };
        let images = |descr: &str, shape: &str, n| with("images", npy(descr, shape, &vec![0; n]));
        check(images("<f4", "2, 1, 1", 8), "exit 5: d/train_images.npy: numbers of type <f4");
        check(images("|u1", "2, 3, 5, 5", 150), "has its channels in front");
        check(images("<u2", "2, 1, 2", 8), "exit 3: d/train_images.npy: u2 of shape [2, 1, 2]");
        check(images("|u1", "8,", 8), "shape [8]; expected bytes");
        check(
            images("|u1", "2, 1, 5000", 10_000),
            "images of 1 x 5000 pixels, 1 channel; expected",
        );
        check(images("|u1", "2, 9, 9", 8), "has 8 bytes");
        check(with("labels", npy("|u1", "3,", &[0; 3])), "labels of shape [3]; expected [2]");
        let far = npy("<i4", "2,", &[0, 0, 0, 0, 255, 255, 0, 0]);
        check(with("labels", far), "label 1 is 65535; expected 0 to 65534");
        check(with("labels", b"\x93NUMPY\x01\0\xFF\xFF{}".to_vec()), "not a whole .npy file");
    }
}
