use super::*;
use crate::import::sorted::{self, Entry, Kind};
use crate::import::{Options, Watch, pictures};
use crate::{Fit, Fitting, Raw, Room, Size};
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

/// Takes no interest in it.
struct Nobody;

impl Watch for Nobody {
    fn planned(&self, _: Planned) -> Result<()> {
        Ok(())
    }

    fn decoded(&self, _: usize) -> Result<()> {
        Ok(())
    }
}

fn entries(files: &[(&str, Vec<u8>)], more: &[&str]) -> Vec<Entry> {
    let files = files.iter().map(|(name, _)| Entry::new(name.as_bytes(), Kind::File));
    let folders = more.iter().map(|f| Entry::new(f.as_bytes(), Kind::Folder));
    let mut all: Vec<Entry> = files.chain(folders).collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

fn decoded(files: &[(&str, Vec<u8>)], more: &[&str], options: &Options) -> Result<Raw> {
    let entries = entries(files, more);
    let sorted = match sorted::sort("d", &entries) {
        Err(e) => sorted::sort_classes("d", &entries)?.ok_or(e)?,
        Ok(sorted) => sorted,
    };
    let tree = Tree::of(files.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect());
    let mut found = find(&tree, &sorted)?;
    options.set_apart.map_or(Ok(()), |how| found.set_apart(how, &tree))?;
    pictures::decode(&tree, found, options)
}

fn options() -> Options<'static> {
    let room = Room { near: "nowhere".into(), memory: usize::MAX };
    let (fitting, channels, set_apart) = (None, None, None);
    Options { labels: None, fitting, channels, set_apart, room, watch: &Nobody }
}

fn check(files: &[(&str, Vec<u8>)], more: &[&str], expected: &str) {
    check_as(files, more, &options(), expected);
}

fn check_as(files: &[(&str, Vec<u8>)], more: &[&str], options: &Options, expected: &str) {
    let found = match decoded(files, more, options) {
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
    check(
        &files,
        &[],
        r#"classes: ["cat", "dog"], shape: ImageShape { channels: 3, height: 1, width: 1 }"#,
    );
    check(&files, &[], "train: Images { pixels: Memory([1, 2, 3, 4, 5, 6]), labels: [0, 1] }");
    check(&files, &[], "test: Images { pixels: Memory([7, 8, 9]), labels: [1] }");
    check(&files, &[], "validation: None");
    let two = [("train/a/1.png", png(2, 2, [1, 2, 3]))];
    check(&two, &[], "pixels: Memory([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])");
}

#[test]
fn equal_pictures_of_any_height_and_width_come_as_they_are() {
    let files = [("train/cat/1.png", png(3, 2, [1; 3]))];
    check(&files, &[], "shape: ImageShape { channels: 3, height: 2, width: 3 }");
    check(&files, &[], "pixels: Memory([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])");
}

#[test]
fn every_format_and_every_depth_of_folder_is_read() {
    let files = [
        ("train/cat/1.bmp", picture(ImageFormat::Bmp, 1, 1, [1, 2, 3])),
        ("train/cat/far/below/2.webp", picture(ImageFormat::WebP, 1, 1, [4, 5, 6])),
    ];
    check(&files, &[], "train: Images { pixels: Memory([1, 2, 3, 4, 5, 6]), labels: [0, 0] }");
}

#[test]
fn a_part_of_its_own_validates() {
    for part in ["val", "VALID", "validation"] {
        let file = format!("{part}/cat/3.png");
        let files = [("Train/cat/1.png", png(1, 1, [1; 3])), (&file, png(1, 1, [2; 3]))];
        let expected = "validation: Some(Images { pixels: Memory([2, 2, 2]), labels: [0] })";
        check(&files, &[], expected);
    }
    let both = [("val/a/1.png", png(1, 1, [0; 3])), ("valid/a/1.png", png(1, 1, [0; 3]))];
    check(&both, &[], "exit 3: d: val and valid are all for validation");
    let both = [("train/a/1.png", png(1, 1, [0; 3])), ("TRAIN/a/1.png", png(1, 1, [0; 3]))];
    check(&both, &[], "exit 3: d: TRAIN and train are all for training");
}

#[test]
fn class_folders_alone_train_and_some_of_them_test() {
    let files: Vec<(String, Vec<u8>)> =
        (0..8).map(|i| (format!("c{}/{i}.png", i % 2), png(1, 1, [i; 3]))).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(n, b)| (&n[..], b.clone())).collect();
    let mut options = options();
    options.set_apart = Some(SetApart { fraction: 0.25, seed: 1 });
    let raw = decoded(&files, &[], &options).expect("fine");
    let pixels = |images: &crate::Images| images.pixels.to_vec().expect("in memory");
    assert_eq!((raw.train.len(), raw.test.len()), (6, 2));
    let mut all = [pixels(&raw.train), pixels(&raw.test)].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all, (0..8).collect::<Vec<u8>>(), "each picture once");
    options.set_apart = Some(SetApart { fraction: 0.01, seed: 1 });
    check_as(&files, &[], &options, "exit 3: test fraction 0.01 of 8 training images leaves");
    let with_test = [("train/a/1.png", png(1, 1, [0; 3])), ("test/a/1.png", png(1, 1, [0; 3]))];
    check_as(&with_test, &[], &options, "exit 3: d: has a test part of its own; leave out");
    check(&files, &["c3"], "exit 3: d/c3: a class without a picture");
}

#[test]
fn pictures_of_any_size_get_one() {
    let wide = RgbImage::from_fn(6, 2, |x, _| Rgb([if (2..4).contains(&x) { 200 } else { 9 }; 3]));
    let mut bytes = Cursor::new(Vec::new());
    wide.write_to(&mut bytes, ImageFormat::Png).expect("into memory");
    let files = [("train/a/1.png", bytes.into_inner()), ("train/b/1.png", png(300, 4, [7; 3]))];
    let mut options = options();
    options.fitting = Some(Fitting::crop(2));
    options.channels = Some(1);
    check_as(&files, &[], &options, "shape: ImageShape { channels: 1, height: 2, width: 2 }");
    check_as(&files, &[], &options, "pixels: Memory([200, 200, 200, 200, 7, 7, 7, 7])");
    let told = "1 picture with one side over 50 times the other: only the middle is taken (such as \
                train/b/1.png)";
    check_as(&files, &[], &options, told);
    options.fitting = Some(Fitting { size: Size { height: 1, width: 3 }, fit: Fit::Stretch });
    check_as(&files, &[], &options, "pixels: Memory([");
    let told = format!("{:?}", decoded(&files, &[], &options).expect("fine").remarks);
    assert_eq!(told, "[]", "nothing is cut off");
}

#[test]
fn the_same_picture_in_two_parts_is_told() {
    let one = |i| png(1, 1, [i; 3]);
    let files = [
        ("train/a/1.png", one(1)),
        ("train/b/2.png", one(2)),
        ("test/a/3.png", one(2)),
        ("test/b/4.png", one(1)),
        ("val/a/5.png", one(3)),
    ];
    let told = "2 test pictures are among the training pictures too, byte for byte (such as \
                test/a/3.png, which is train/b/2.png)";
    check(&files, &[], told);
    let raw = decoded(&files, &[], &options()).expect("fine");
    assert_eq!(raw.remarks.len(), 1);
}

#[test]
fn windows_and_threads_change_nothing() {
    let files: Vec<(String, Vec<u8>)> =
        (0..50).map(|i| (format!("train/c{}/{i:02}.png", i % 2), png(100, 100, [i; 3]))).collect();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(n, b)| (&n[..], b.clone())).collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let on = |threads: usize, memory: usize| {
        let mut options = options();
        options.fitting = Some(Fitting::crop(900));
        options.room = Room { near: dir.path().join("out"), memory };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let decode = || decoded(&files, &[], &Options { watch: &Nobody, ..options });
        pool.install(decode).expect("fine").digest().expect("reads")
    };
    let expected = on(1, usize::MAX);
    assert_eq!([on(2, usize::MAX), on(3, 0)], [expected.clone(), expected]);
}

#[test]
fn an_animation_is_told_and_its_first_picture_taken() {
    // A PNG that says that it is one; its first picture is the one that all programs show.
    let mut moving = png(1, 1, [5; 3]);
    let chunk = [&b"acTL"[..], &[0, 0, 0, 2, 0, 0, 0, 0]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&chunk);
    let chunk = [&8_u32.to_be_bytes()[..], &chunk, &crc.sum().to_be_bytes()].concat();
    moving.splice(33..33, chunk);
    let files = [("train/a/1.png", moving), ("train/b/2.png", png(1, 1, [2; 3]))];
    check(
        &files,
        &[],
        "1 picture of which only the first of an animation is taken (such as train/a/1.png)",
    );
    check(&files, &[], "pixels: Memory([5, 5, 5, 2, 2, 2])");
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
    let many =
        [good(), ("train/cat/2.png", png(2, 3, [0; 3])), ("train/cat/3.png", png(2, 2, [1; 3]))];
    check(
        &many,
        &[],
        "exit 3: d: pictures as wide x high in pixels: 2 of 2 x 2 (such as train/cat/1.png), \
                       1 of 2 x 3 (such as train/cat/2.png); expected all of one size",
    );
    check(&[("train/cat/1.png", png(4097, 1, [0; 3]))], &[], "sides of at most 4096 pixels");
    let other = [good(), ("test/fox/2.png", png(2, 2, [0; 3]))];
    check(&other, &[], "exit 3: d/test/fox: no training pictures");
    check(&[good()], &["train/fox"], "exit 3: d/train/fox: a class without a picture");
    check(&[good()], &["test/fox"], "classes: [\"cat\"]");
    let text = [good(), ("train/cat/2.png", b"text".to_vec())];
    check(&text, &[], "exit 5: d/train/cat/2.png: not a PNG");
}
