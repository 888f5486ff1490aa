//! An image folder: `train/CLASS/*.{jpg,jpeg,png}` and `test/CLASS/*`.

use std::io::Cursor;

use artifact::{Error, Result};
use image::{ImageReader, Limits, RgbImage};
use rayon::prelude::*;

use super::Tree;
use super::layout::PARTS;
use crate::{Images, Raw};

/// The largest side of an image in pixels.
const MOST_SIDE: u32 = 1024;

/// Decodes a tree of the image layout. Labels are the ranks of the class names.
pub fn decode(tree: &Tree) -> Result<Raw> {
    let [in_train, in_test] = PARTS.map(|part| classes(tree, part));
    if let Some(class) = in_test.iter().find(|c| !in_train.contains(c)) {
        return Err(Error::Config(format!(
            "{}: no training images of this class in {}",
            tree.place(&format!("test/{class}")),
            tree.place("train")
        )));
    }
    let decoded: Vec<Result<RgbImage>> = tree
        .files
        .par_iter()
        .map(|(name, bytes)| {
            let bad = |e| Error::Integrity(format!("{}: not an image: {e}", tree.place(name)));
            rgb(bytes).map_err(bad)
        })
        .collect();
    let mut set = Builder { raw: empty(&in_train), first: String::new() };
    for (name, image) in tree.files.keys().zip(decoded) {
        set.add(tree, name, &image?)?;
    }
    Ok(set.raw)
}

fn empty(classes: &[&str]) -> Raw {
    Raw {
        source: "folder",
        classes: classes.iter().map(|&c| c.to_owned()).collect(),
        side: 0,
        train: Images::default(),
        test: Images::default(),
    }
}

/// The class names of one part, sorted.
fn classes<'a>(tree: &'a Tree, part: &str) -> Vec<&'a str> {
    let class = |name: &'a String| split(name).filter(|(p, _)| *p == part).map(|(_, c)| c);
    let mut classes: Vec<&str> = tree.files.keys().filter_map(class).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// (part, class) of `part/class/file`.
fn split(name: &str) -> Option<(&str, &str)> {
    let (part, rest) = name.split_once('/')?;
    Some((part, rest.split_once('/')?.0))
}

fn rgb(bytes: &[u8]) -> image::ImageResult<RgbImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    reader.limits(limits);
    Ok(reader.decode()?.into_rgb8())
}

struct Builder {
    raw: Raw,
    /// The image whose size all others must have.
    first: String,
}

impl Builder {
    fn add(&mut self, tree: &Tree, name: &str, image: &RgbImage) -> Result<()> {
        self.check_size(tree, name, image.dimensions())?;
        let (part, class) = split(name).expect("the layout has part/class/file");
        let label = self.raw.classes.iter().position(|c| c == class).expect("collected before");
        let into = if part == PARTS[0] { &mut self.raw.train } else { &mut self.raw.test };
        into.labels.push(label as u8);
        for channel in 0..3 {
            into.pixels.extend(image.pixels().map(|p| p.0[channel]));
        }
        Ok(())
    }

    fn check_size(&mut self, tree: &Tree, name: &str, (w, h): (u32, u32)) -> Result<()> {
        if self.first.is_empty() {
            name.clone_into(&mut self.first);
            self.raw.side = w as usize;
        }
        let side = self.raw.side;
        if (w as usize, h as usize) == (side, side) {
            return Ok(());
        }
        Err(Error::Config(format!(
            "{}: has {w} x {h} pixels; expected squares, all as wide as {} ({side})",
            tree.place(name),
            self.first
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb};

    fn png(w: u32, h: u32, colour: [u8; 3]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_pixel(w, h, Rgb(colour));
        image.write_to(&mut bytes, ImageFormat::Png).expect("into memory");
        bytes.into_inner()
    }

    fn check(files: &[(&str, Vec<u8>)], expected: &str) {
        let files = files.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect();
        let found = match decode(&Tree { origin: "d".into(), files }) {
            Ok(raw) => format!("{raw:?}"),
            Err(e) => format!("exit {}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn classes_are_sorted_and_pixels_planar() {
        let files = [
            ("train/dog/1.png", png(1, 1, [4, 5, 6])),
            ("train/cat/2.png", png(1, 1, [1, 2, 3])),
            ("test/dog/1.png", png(1, 1, [7, 8, 9])),
        ];
        check(&files, r#"classes: ["cat", "dog"], side: 1"#);
        check(&files, "train: Images { pixels: [1, 2, 3, 4, 5, 6], labels: [0, 1] }");
        check(&files, "test: Images { pixels: [7, 8, 9], labels: [1] }");
        let two = [("train/a/1.png", png(2, 2, [1, 2, 3]))];
        check(&two, "pixels: [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]");
    }

    #[test]
    fn defects_are_named() {
        let good = || ("train/cat/1.png", png(2, 2, [0; 3]));
        check(
            &[good(), ("train/cat/2.png", png(2, 3, [0; 3]))],
            "exit 3: d/train/cat/2.png: has 2 x 3",
        );
        check(&[good(), ("test/cat/2.png", png(3, 3, [0; 3]))], "all as wide as");
        check(&[good(), ("test/fox/2.png", png(2, 2, [0; 3]))], "exit 3: d/test/fox: no training");
        check(
            &[good(), ("train/cat/2.png", b"text".to_vec())],
            "exit 5: d/train/cat/2.png: not an",
        );
        check(&[("train/cat/1.png", png(1025, 1, [0; 3]))], "not an image");
    }
}
