//! An image folder: `train/CLASS/*` and `test/CLASS/*` or `val/CLASS/*`, with folders below the classes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifact::{Error, Result};
use rayon::prelude::*;

use super::Tree;
use super::layout::PARTS;
use crate::photo::Photo;
use crate::{Images, Raw};

/// The largest side of an image in pixels.
const MOST_SIDE: u32 = 1024;
/// The most sizes that an error lists.
const MOST_LISTED: usize = 8;

/// Decodes a tree of the image layout; `folders` are those of classes, `part/class`. Labels are the ranks
/// of the class names.
pub fn decode(tree: &Tree, folders: &BTreeSet<String>) -> Result<Raw> {
    let parts = Parts::new(tree, folders)?;
    let side = side(tree)?;
    let [train, test, validation] = parts.pictures.each_ref().map(|all| images(tree, all, side));
    let validation = if parts.pictures[2].is_empty() { None } else { Some(validation?) };
    let (train, test) = (train?, test?);
    Ok(Raw { train, validation, test, ..Raw::empty("folder", parts.classes, side as usize) })
}

/// A picture: its content and its class.
struct Picture<'a> {
    name: &'a str,
    bytes: &'a [u8],
    label: u16,
}

struct Parts<'a> {
    classes: Vec<String>,
    /// For training, testing and validation.
    pictures: [Vec<Picture<'a>>; 3],
}

impl<'a> Parts<'a> {
    fn new(tree: &'a Tree, folders: &BTreeSet<String>) -> Result<Self> {
        let used: BTreeSet<&str> = tree.files.keys().filter_map(|n| Some(split(n)?.0)).collect();
        let names: Vec<&str> = PARTS[2..].iter().copied().filter(|p| used.contains(p)).collect();
        if names.len() > 1 {
            return Err(Error::Config(format!(
                "{}: {} are all for validation; expected one of them",
                tree.origin,
                names.join(" and ")
            )));
        }
        let classes = classes(tree, folders)?;
        let mut pictures = [vec![], vec![], vec![]];
        for (name, bytes) in &tree.files {
            let (part, class) = split(name).expect("the layout has part/class/file");
            let Some(label) = classes.get(class).copied() else {
                return Err(Error::Config(format!(
                    "{}: no training pictures of this class in {}",
                    tree.place(&format!("{part}/{class}")),
                    tree.place(PARTS[0])
                )));
            };
            let at = PARTS[..2].iter().position(|p| *p == part).unwrap_or(2);
            pictures[at].push(Picture { name, bytes, label });
        }
        let classes = classes.into_keys().map(str::to_owned).collect();
        Ok(Self { classes, pictures })
    }
}

/// The labels of the classes, which are the folders in `train`. Each holds a picture, or has no business
/// there: torchvision's `ImageFolder` refuses others too.
fn classes<'a>(tree: &'a Tree, folders: &'a BTreeSet<String>) -> Result<BTreeMap<&'a str, u16>> {
    let of = |name: &'a String| split(name).filter(|(part, _)| *part == PARTS[0]).map(|(_, c)| c);
    let filled: BTreeSet<&str> = tree.files.keys().filter_map(of).collect();
    let listed = folders.iter().filter_map(|f| f.strip_prefix("train/"));
    if let Some(empty) = listed.into_iter().find(|class| !filled.contains(class)) {
        return Err(Error::Config(format!(
            "{}: a class without a picture; put .jpg, .png, .webp or .bmp files into it or remove the \
             folder",
            tree.place(&format!("train/{empty}"))
        )));
    }
    let label = |(label, class)| {
        Ok((class, u16::try_from(label).map_err(|_| too_many(tree, filled.len()))?))
    };
    filled.iter().copied().enumerate().map(label).collect()
}

fn too_many(tree: &Tree, found: usize) -> Error {
    Error::Config(format!("{}: found {found} classes; expected at most 65,535", tree.origin))
}

/// (part, class) of `part/class/file`.
fn split(name: &str) -> Option<(&str, &str)> {
    let (part, rest) = name.split_once('/')?;
    Some((part, rest.split_once('/')?.0))
}

/// The side of every picture, from their headers.
fn side(tree: &Tree) -> Result<u32> {
    let sizes: Vec<Result<(u32, u32)>> = tree
        .files
        .par_iter()
        .map(|(name, bytes)| Photo::size_of(bytes, Path::new(&tree.place(name))))
        .collect();
    let mut counted: BTreeMap<(u32, u32), (usize, &str)> = BTreeMap::new();
    for (name, size) in tree.files.keys().zip(sizes) {
        counted.entry(size?).or_insert((0, name)).0 += 1;
    }
    match counted.first_key_value() {
        Some(((w, h), _)) if counted.len() == 1 && w == h && *w <= MOST_SIDE => Ok(*w),
        _ => Err(other_sizes(tree, &counted)),
    }
}

fn other_sizes(tree: &Tree, counted: &BTreeMap<(u32, u32), (usize, &str)>) -> Error {
    let mut all: Vec<_> = counted.iter().collect();
    all.sort_by_key(|(size, (count, _))| (std::cmp::Reverse(*count), **size));
    let one = |((w, h), (count, name)): &(&(u32, u32), &(usize, &str))| {
        format!("{count} of {w} x {h} (such as {})", artifact::printable(name))
    };
    let mut listed: Vec<String> = all.iter().take(MOST_LISTED).map(one).collect();
    let more = all.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        let count: usize = all[MOST_LISTED..].iter().map(|(_, (count, _))| count).sum();
        listed.push(format!("{count} of {more} other sizes"));
    }
    Error::Config(format!(
        "{}: pictures as wide x high in pixels: {}; expected squares, all of one size and at most \
         {MOST_SIDE} pixels wide: resize the shorter side of each to the size that the network takes, and \
         crop the middle",
        tree.origin,
        listed.join(", ")
    ))
}

/// Decodes pictures, all of `side` x `side` pixels.
fn images(tree: &Tree, pictures: &[Picture], side: u32) -> Result<Images> {
    let bytes = 3 * side as usize * side as usize;
    let mut pixels = vec![0; pictures.len() * bytes];
    pixels.par_chunks_mut(bytes).zip(pictures).try_for_each(|(out, picture)| {
        let place = tree.place(picture.name);
        let photo = Photo::decode(picture.bytes, Path::new(&place))?;
        if photo.size() != (side, side) {
            let (w, h) = photo.size();
            let text = format!("{place}: decoded to {w} x {h} pixels; its header says {side}");
            return Err(Error::Integrity(text));
        }
        photo.planes(out);
        Ok(())
    })?;
    Ok(Images { pixels, labels: pictures.iter().map(|picture| picture.label).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, Rgb, RgbImage};
    use std::io::Cursor;

    fn picture(format: ImageFormat, w: u32, h: u32, colour: [u8; 3]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = RgbImage::from_pixel(w, h, Rgb(colour));
        image.write_to(&mut bytes, format).expect("into memory");
        bytes.into_inner()
    }

    fn png(w: u32, h: u32, colour: [u8; 3]) -> Vec<u8> {
        picture(ImageFormat::Png, w, h, colour)
    }

    fn check(files: &[(&str, Vec<u8>)], more: &[&str], expected: &str) {
        let files: BTreeMap<_, _> =
            files.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect();
        let of = |name: &String| split(name).map(|(part, class)| format!("{part}/{class}"));
        let folders =
            files.keys().filter_map(of).chain(more.iter().map(|f| (*f).to_owned())).collect();
        let found = match decode(&Tree { origin: "d".into(), files }, &folders) {
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
        check(&files, &[], r#"classes: ["cat", "dog"], side: 1"#);
        check(&files, &[], "train: Images { pixels: [1, 2, 3, 4, 5, 6], labels: [0, 1] }");
        check(&files, &[], "test: Images { pixels: [7, 8, 9], labels: [1] }");
        check(&files, &[], "validation: None");
        let two = [("train/a/1.png", png(2, 2, [1, 2, 3]))];
        check(&two, &[], "pixels: [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]");
    }

    #[test]
    fn every_format_and_every_depth_of_folder_is_read() {
        let files = [
            ("train/cat/1.bmp", picture(ImageFormat::Bmp, 1, 1, [1, 2, 3])),
            ("train/cat/far/below/2.webp", picture(ImageFormat::WebP, 1, 1, [4, 5, 6])),
        ];
        check(&files, &[], "train: Images { pixels: [1, 2, 3, 4, 5, 6], labels: [0, 0] }");
    }

    #[test]
    fn a_part_of_its_own_validates() {
        for part in &PARTS[2..] {
            let file = format!("{part}/cat/3.png");
            let files = [("train/cat/1.png", png(1, 1, [1; 3])), (&file, png(1, 1, [2; 3]))];
            check(&files, &[], "validation: Some(Images { pixels: [2, 2, 2], labels: [0] })");
        }
        let both = [("val/a/1.png", png(1, 1, [0; 3])), ("valid/a/1.png", png(1, 1, [0; 3]))];
        check(&both, &[], "exit 3: d: val and valid are all for validation");
    }

    #[test]
    fn labels_go_beyond_a_byte() {
        let files: Vec<(String, Vec<u8>)> =
            (0..300).map(|i| (format!("train/c{i:03}/1.png"), png(1, 1, [0; 3]))).collect();
        let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(n, b)| (&n[..], b.clone())).collect();
        check(&files, &[], "298, 299] }");
    }

    #[test]
    fn defects_are_named() {
        let good = || ("train/cat/1.png", png(2, 2, [0; 3]));
        let many = [
            good(),
            ("train/cat/2.png", png(2, 3, [0; 3])),
            ("train/cat/3.png", png(2, 2, [1; 3])),
        ];
        check(
            &many,
            &[],
            "exit 3: d: pictures as wide x high in pixels: 2 of 2 x 2 (such as train/cat/1.png), \
                           1 of 2 x 3 (such as train/cat/2.png); expected squares, all of one size",
        );
        check(&[("train/cat/1.png", png(2, 3, [0; 3]))], &[], "1 of 2 x 3");
        check(&[("train/cat/1.png", png(1025, 1025, [0; 3]))], &[], "at most 1024 pixels wide");
        let other = [good(), ("test/fox/2.png", png(2, 2, [0; 3]))];
        check(&other, &[], "exit 3: d/test/fox: no training pictures");
        check(&[good()], &["train/fox"], "exit 3: d/train/fox: a class without a picture");
        check(&[good()], &["test/fox"], "classes: [\"cat\"]");
        let text = [good(), ("train/cat/2.png", b"text".to_vec())];
        check(&text, &[], "exit 5: d/train/cat/2.png: not a PNG");
    }
}
