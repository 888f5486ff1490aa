//! Photos as people have them: of any sizes, in folders of any names, some of them bad.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use artifact::file;
use assert_cmd::Command;
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

/// The exit code, and all that was said.
fn run(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_data-cifar"));
    let output = command.args(arguments).output().expect("starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("ends by itself");
    (code, text(output.stdout) + &text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The bytes of a picture whose colours depend on `i`.
fn picture(format: ImageFormat, width: u32, height: u32, i: u32) -> Vec<u8> {
    let colour = |x: u32, y: u32| Rgb([(x * 3) as u8, (y * 5) as u8, (i * 9) as u8]);
    let mut bytes = Cursor::new(vec![]);
    RgbImage::from_fn(width, height, colour).write_to(&mut bytes, format).expect("into memory");
    bytes.into_inner()
}

fn put(path: &Path, bytes: &[u8]) {
    file::make_folder(path.parent().expect("below the source")).expect("makes");
    file::write(path, bytes).expect("writes");
}

/// Twelve photos of two classes in `folders`, each of another size and in one of four formats.
fn photos(dir: &TempDir, folders: &[&str]) -> PathBuf {
    let root = dir.path().join("set");
    let formats = [
        ("jpg", ImageFormat::Jpeg),
        ("png", ImageFormat::Png),
        ("webp", ImageFormat::WebP),
        ("bmp", ImageFormat::Bmp),
        ("jfif", ImageFormat::Jpeg),
    ];
    for (f, folder) in folders.iter().enumerate() {
        for i in 0..12_u32 {
            let (ending, format) = formats[i as usize % formats.len()];
            let bytes = picture(format, 20 + 3 * i, 40 - 2 * i, 12 * f as u32 + i);
            let class = ["cat", "dog"][i as usize % 2];
            put(&root.join(folder).join(class).join(format!("{i}.{ending}")), &bytes);
        }
    }
    root
}

/// Imports `source` and gives what was said, and what `inspect` says of the dataset.
fn imported(dir: &TempDir, source: &Path, flags: &[&str]) -> String {
    let out = dir.path().join("out");
    let (code, said) = run(&[&["import", text(source), "--out", text(&out)], flags].concat());
    assert_eq!(code, 0, "{said}");
    let (code, shown) = run(&["inspect", text(&out)]);
    assert_eq!(code, 0, "{shown}");
    fs::remove_dir_all(&out).expect("removes");
    said + &shown
}

fn refused(source: &Path, flags: &[&str], code: i32, expected: &str) {
    let out = source.parent().expect("in a folder").join("out");
    let (found, said) = run(&[&["import", text(source), "--out", text(&out)], flags].concat());
    assert!(said.contains(expected), "{said} lacks {expected}");
    assert_eq!(found, code, "{said}");
    assert!(!out.exists());
    let left = fs::read_dir(out.parent().expect("a folder")).expect("lists");
    assert_eq!(left.count(), 1, "only the source is there");
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text} lacks {part}");
    }
}

#[test]
fn photos_of_any_size_get_the_one_that_is_asked_for() {
    let dir = folder();
    let root = photos(&dir, &["Train", "TEST", "Val"]);
    let shown = imported(&dir, &root, &["--side", "16"]);
    holds(&shown, &["folder, 16 x 16 pixels, 2 classes", "12 training, 12 validation, 12 test"]);
    holds(&shown, &["36 pictures in ", " a second"]);
    let shown = imported(&dir, &root, &["--side", "8x24", "--fit", "pad", "--channels", "1"]);
    holds(&shown, &["folder, 8 x 24 pixels, 1 channel, 2 classes", "grey"]);
    let dry = |flags: &[&str]| {
        let out = dir.path().join("out");
        let all = ["import", text(&root), "--out", text(&out), "--dry-run", "-q", "--side", "9"];
        let (code, said) = run(&[&all[..], flags].concat());
        assert_eq!(code, 0, "{said}");
        said
    };
    let expected = dry(&["--threads", "1"]);
    holds(&expected, &["size:\n  - 9\n  - 9\n", "fit: crop", "content: "]);
    assert_eq!(dry(&["--threads", "3"]), expected, "the same images for any number of threads");
    assert_ne!(dry(&["--fit", "stretch"]), expected);
}

#[test]
fn a_folder_of_class_folders_alone_is_divided() {
    for folders in [&["train"][..], &["."]] {
        let dir = folder();
        let root = photos(&dir, folders);
        let flags = ["--side", "16", "--test-fraction", "0.25", "--validation", "0.25"];
        holds(&imported(&dir, &root, &flags), &["7 training, 2 validation, 3 test images"]);
        refused(&root, &["--side", "16"], 3, "apart with --test-fraction");
        refused(&root, &["--side", "16", "--test-fraction", "1.5"], 3, "test fraction 1.5 of 12");
    }
    let dir = folder();
    let root = photos(&dir, &["train", "test"]);
    refused(&root, &["--test-fraction", "0.5", "--side", "4"], 3, "has a test part of its own");
}

#[test]
fn flags_without_sense_are_refused() {
    let dir = folder();
    let root = photos(&dir, &["train", "test"]);
    refused(&root, &["--fit", "pad"], 3, "--fit: has no effect by itself; it belongs to --side");
    refused(&root, &["--side", "0"], 2, "expected N or HEIGHTxWIDTH, of 1 to 4096 pixels");
    refused(&root, &["--side", "8x"], 2, "expected N or HEIGHTxWIDTH");
    refused(&root, &["--channels", "2", "--side", "8"], 2, "expected 1 (grey) or 3 (in colour)");
    refused(&root, &[], 3, "give the size that the network takes with --side");
    let grey = ["--side", "8", "--channels", "1", "--normalise", "imagenet"];
    refused(&root, &grey, 3, "constants of three channels; the images have 1");
    refused(&root, &["--side", "8", "--validation", "2"], 3, "validation 2 of 12 training images");
}

#[test]
fn bad_photos_are_named() {
    let check = |name: &str, bytes: &[u8], code: i32, expected: &str| {
        let dir = folder();
        let root = photos(&dir, &["train", "test"]);
        put(&root.join("train/cat").join(name), bytes);
        refused(&root, &["--side", "8"], code, expected);
    };
    let jpeg = picture(ImageFormat::Jpeg, 60, 40, 1);
    check("cut.jpg", &jpeg[..jpeg.len() / 2], 5, "train/cat/cut.jpg: not a PNG, JPEG");
    // Its size stands in its header; nothing of that many pixels is there to be decoded.
    let mut bomb = picture(ImageFormat::Jpeg, 16, 16, 1);
    let frame = bomb.windows(2).position(|b| b == [0xFF, 0xC0]).expect("a baseline JPEG");
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    check("bomb.jpg", &bomb, 3, "65500 x 65500 pixels; expected at most 50 million");
}

#[test]
fn a_strip_is_taken_and_told() {
    let dir = folder();
    let root = photos(&dir, &["train", "test"]);
    put(&root.join("train/cat/strip.png"), &picture(ImageFormat::Png, 1, 10_000, 1));
    let told = "1 picture with one side over 50 times the other: only the middle is taken (such as \
                train/cat/strip.png)";
    holds(&imported(&dir, &root, &["--side", "8"]), &[told]);
}

#[test]
fn a_single_class_and_no_picture_are_refused() {
    let dir = folder();
    let root = photos(&dir, &["train", "test"]);
    for part in ["train/dog", "test/dog"] {
        fs::remove_dir_all(root.join(part)).expect("removes");
    }
    refused(&root, &["--side", "8"], 3, "found 1 classes; expected 2");
    let dir = folder();
    put(&dir.path().join("set/train/cat/notes.txt"), b"no picture");
    refused(&dir.path().join("set"), &["--side", "8"], 4, "found no image set");
}

#[test]
fn arrays_keep_their_channels() {
    let dir = folder();
    let npy = |shape: &str, values: &[u8]| {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [&b"\x93NUMPY\x01\0"[..], &length, header.as_bytes(), values].concat()
    };
    let root = dir.path().join("set");
    let values: Vec<u8> = (0..20 * 6 * 4 * 5).map(|i| (i % 251) as u8).collect();
    put(&root.join("train_images.npy"), &npy("20, 6, 4, 5", &values));
    put(&root.join("train_labels.npy"), &npy("20,", &[0, 1].repeat(10)));
    let shown = imported(&dir, &root, &["--test-fraction", "0.2"]);
    holds(&shown, &["numpy, 6 x 4 pixels, 5 channels, 2 classes", "4 test images"]);
    refused(&root, &[], 3, "apart with --test-fraction");
}
