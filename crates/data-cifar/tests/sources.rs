//! What people have: folders with more in them than pictures, archives, other layouts.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::fs;
use std::io::Cursor;
use std::path::Path;

use artifact::file;
use assert_cmd::Command;
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_data-cifar"));
    let output = command.args(arguments).output().expect("starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("ends by itself");
    Run { code, out: text(output.stdout), err: text(output.stderr) }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn put(path: &Path, bytes: &[u8]) {
    file::make_folder(path.parent().expect("below the source")).expect("makes");
    file::write(path, bytes).expect("writes");
}

fn picture(path: &Path, i: u32) {
    let format = ImageFormat::from_path(path).expect("an ending");
    let image =
        RgbImage::from_fn(8, 8, |x, y| Rgb([(x * 30) as u8, (y * 30) as u8, (i * 9) as u8]));
    let mut bytes = Cursor::new(vec![]);
    image.write_to(&mut bytes, format).expect("into memory");
    put(path, bytes.get_ref());
}

/// Cats and dogs, eight of each to train and two of each in every other part.
fn set(dir: &TempDir, others: &[&str]) -> std::path::PathBuf {
    let root = dir.path().join("set");
    for (part, count) in [("train", 8)].into_iter().chain(others.iter().map(|part| (*part, 2))) {
        for class in ["cat", "dog"] {
            (0..count)
                .for_each(|i| picture(&root.join(part).join(class).join(format!("{i}.png")), i));
        }
    }
    root
}

/// Imports `source`; what is told, and what `inspect` says of the dataset.
fn imported(dir: &TempDir, source: &Path, flags: &[&str]) -> (String, String) {
    let out = dir.path().join("out");
    let done = run(&[&["import", text(source), "--out", text(&out)], flags].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let shown = run(&["inspect", text(&out), "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    fs::remove_dir_all(&out).expect("removes");
    (done.err, shown.out)
}

fn refused(dir: &TempDir, source: &Path, flags: &[&str], (code, expected): (i32, &str)) {
    let out = dir.path().join("out");
    let run = run(&[&["import", text(source), "--out", text(&out)], flags].concat());
    assert!(run.err.contains(expected), "{} lacks {expected}", run.err);
    assert_eq!(run.code, code, "{}", run.err);
    assert!(!out.exists());
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{text} lacks {part}");
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn what_is_passed_over_is_told_and_recorded() {
    let dir = folder();
    let root = set(&dir, &["test"]);
    for name in ["train/.DS_Store", "train/desktop.ini", "train/cat/Thumbs.db", "train/cat/._0.png"]
    {
        put(&root.join(name), b"x");
    }
    picture(&root.join("train/.ipynb_checkpoints/x.png"), 1);
    picture(&root.join("train/stray.png"), 1);
    picture(&root.join("train/cat/below/9.webp"), 9);
    put(&root.join("read me\u{1b}[2J.txt"), b"x");
    let (told, shown) = imported(&dir, &root, &[]);
    holds(
        &told,
        &[
            "passed over: hidden files: 2 (such as train/.DS_Store)",
            "hidden folders: 1 (train/.ipynb_checkpoints)",
            "files that are not pictures: 2 (such as train/cat/Thumbs.db)",
            "pictures outside of a class folder: 1 (train/stray.png)",
            "other files: 1 (read me\\u{1b}[2J.txt)",
        ],
    );
    assert!(!told.contains('\u{1b}'), "{told:?}");
    holds(
        &shown,
        &["\"kind\": \"hidden folders\"", "\"count\": 2", "\"example\": \"train/.DS_Store\""],
    );
    holds(
        &shown,
        &["\"train\": 9,\n        \"test\": 2", "\"train\": 15,\n      \"validation\": 2"],
    );
    let (told, shown) = imported(&dir, &set(&folder_of(&dir), &["test"]), &[]);
    assert!(!told.contains("passed over") && !shown.contains("passed_over"), "{told}");
}

/// A folder within `dir`, removed when the test ends.
fn folder_of(dir: &TempDir) -> TempDir {
    tempfile::tempdir_in(dir.path()).expect("a temporary folder")
}

#[test]
fn a_validation_folder_validates() {
    for part in ["val", "valid", "validation"] {
        let dir = folder();
        let (_, shown) = imported(&dir, &set(&dir, &["test", part]), &[]);
        holds(&shown, &["\"train\": 16,\n      \"validation\": 4,\n      \"test\": 4"]);
        holds(&shown, &["\"validation\": 0.0"]);
    }
    let dir = folder();
    let root = set(&dir, &["val"]);
    let (_, shown) = imported(&dir, &root, &[]);
    holds(&shown, &["\"train\": 16,\n      \"validation\": 4,\n      \"test\": 0"]);
    refused(&dir, &root, &["--validation", "0.2"], (3, "has a validation part of its own"));
    let alone = folder();
    refused(&alone, &set(&alone, &[]), &[], (3, "has no test images; add a test part"));
}

#[test]
fn an_empty_class_is_refused_and_an_empty_folder_beside_the_training_told() {
    let dir = folder();
    let root = set(&dir, &["test"]);
    file::make_folder(&root.join("test/dog more")).expect("makes");
    holds(&imported(&dir, &root, &[]).0, &["class folders without pictures: 1 (test/dog more)"]);
    put(&root.join("train/fox/notes.txt"), b"x");
    refused(&dir, &root, &[], (3, "train/fox: a class without a picture"));
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles_and_pipes_are_not_opened() {
    use std::os::unix::fs::symlink;
    let dir = folder();
    let root = set(&dir, &["test"]);
    symlink("..", root.join("train/cat/up")).expect("links");
    symlink("0.png", root.join("train/cat/same.png")).expect("links");
    let (told, shown) = imported(&dir, &root, &[]);
    holds(&told, &["links to a folder above them: 1 (train/cat/up)"]);
    holds(&shown, &["\"train\": 9,\n        \"test\": 2"]);
    let pipe = root.join("train/cat/pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("starts");
    assert!(made.success());
    holds(&imported(&dir, &root, &[]).0, &["pipes, sockets or devices: 1 (train/cat/pipe.png)"]);
    refused(&dir, &pipe, &[], (3, "is a pipe, a socket or a device"));
    symlink("nowhere", root.join("train/cat/lost.png")).expect("links");
    refused(&dir, &root, &[], (4, "lost.png: no such file"));
}

#[test]
fn archives_of_other_kinds_are_refused_by_name() {
    let dir = folder();
    let path = dir.path().join("set.tar.xz");
    for (magic, name) in [
        (&b"\xFD7zXZ\0 and so on"[..], "is an xz file"),
        (b"BZh91AY", "is a bzip2 file"),
        (b"\x28\xB5\x2F\xFD....", "is a Zstandard file"),
        (b"7z\xBC\xAF\x27\x1C..", "is a 7z archive"),
        (b"Rar!\x1A\x07\x01\0", "is a RAR archive"),
    ] {
        put(&path, magic);
        refused(&dir, &path, &[], (3, name));
        refused(&dir, &path, &[], (3, "expected .tar, .tar.gz or .zip"));
    }
}

#[test]
fn a_file_far_longer_than_any_archive_is_refused_unread() {
    let dir = folder();
    let path = dir.path().join("set.tar");
    put(&path, b"");
    let grown = fs::File::options().write(true).open(&path).and_then(|f| f.set_len(1 << 40));
    grown.expect("a file with a hole");
    refused(&dir, &path, &[], (3, "an archive of 1048576 MiB; expected at most 1024"));
}

#[test]
fn cifar_100_has_two_kinds_of_labels() {
    let dir = folder();
    let root = dir.path().join("set");
    let record =
        |i: u8| [vec![i % 2, i % 5], (0..3072).map(|p| (p * 7 + i as usize) as u8).collect()];
    let records = |n: u8| (0..n).flat_map(|i| record(i).concat()).collect::<Vec<u8>>();
    put(&root.join("train.bin"), &records(20));
    put(&root.join("test.bin"), &records(10));
    put(&root.join("fine_label_names.txt"), b"a\nb\nc\nd\ne\n");
    put(&root.join("coarse_label_names.txt"), b"x\ny\n");
    put(&root.join("readme.txt"), b"x");
    let (told, shown) = imported(&dir, &root, &[]);
    holds(&told, &["other files: 1 (readme.txt)"]);
    holds(&shown, &["\"source\": \"cifar-100-binary\"", "\"class\": \"e\",\n        \"train\": 4"]);
    holds(
        &imported(&dir, &root, &["--labels", "coarse"]).1,
        &["\"class\": \"y\",\n        \"train\": 10"],
    );
    let other = folder();
    refused(
        &other,
        &set(&other, &["test"]),
        &["--labels", "fine"],
        (3, "--labels is for CIFAR-100"),
    );
}
