//! The binary from outside: what it makes, and what it refuses without leaving anything.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::fs;
use std::path::{Path, PathBuf};

use artifact::file;
use assert_cmd::Command;
use tempfile::TempDir;

/// Bytes of a record of the binary layout.
const RECORD: usize = 3073;
const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

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

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The official layout with ten images a file in `dir/source`.
fn official(dir: &Path) -> PathBuf {
    let source = dir.join("source");
    file::make_folder(&source).expect("makes");
    for (f, name) in FILES.iter().enumerate() {
        let record = |i: usize| -> Vec<u8> {
            let pixel = |p: usize| (p * 7 + i * 31 + f * 57) as u8;
            std::iter::once(i as u8).chain((1..RECORD).map(pixel)).collect()
        };
        let bytes: Vec<u8> = (0..10).flat_map(record).collect();
        file::write(&source.join(name), &bytes).expect("writes");
    }
    let classes: String = (0..10).map(|i| format!("class{i}")).collect::<Vec<_>>().join("\n");
    file::write(&source.join("batches.meta.txt"), classes.as_bytes()).expect("writes");
    source
}

/// Imports the official layout after `change`; expects a failure, and no trace of the output.
fn refused(change: impl Fn(&Path), code: i32, expected: &str) {
    let dir = folder();
    let source = official(dir.path());
    change(&source);
    let out = dir.path().join("out");
    let run = run(&["import", text(&source), "--out", text(&out)]);
    assert_eq!(run.code, code, "{}", run.err);
    assert!(run.err.contains(expected), "{} lacks {expected}", run.err);
    assert_eq!(run.out, "");
    let left: Vec<_> = fs::read_dir(dir.path()).expect("lists").collect();
    assert_eq!(left.len(), 1, "only the source is there: {left:?}");
}

fn edit(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = file::read(path).expect("reads");
    change(&mut bytes);
    file::write(path, &bytes).expect("writes");
}

#[test]
fn defects_of_a_source_are_named_and_nothing_is_written() {
    let batch = |s: &Path| s.join("data_batch_2.bin");
    refused(|s| fs::remove_file(batch(s)).expect("removes"), 4, "data_batch_2.bin: no such file");
    refused(|s| edit(&batch(s), |b| b.truncate(5000)), 5, "data_batch_2.bin: found 5000 bytes");
    refused(|s| edit(&batch(s), |b| b.push(0)), 5, "truncated or over-long");
    refused(|s| edit(&batch(s), |b| b.extend([0; RECORD])), 5, "found 11 images, expected 10");
    refused(
        |s| edit(&batch(s), |b| b[3 * RECORD] = 10),
        3,
        "record 3 (counted from 0) has label 10",
    );
    let flat = |b: &mut Vec<u8>| b.chunks_mut(RECORD).for_each(|r| r[1..].fill(5));
    let all_flat = |s: &Path| FILES.iter().for_each(|f| edit(&s.join(f), flat));
    refused(all_flat, 3, "cannot be normalised");
    refused(
        |s| fs::remove_dir_all(s).and_then(|()| fs::create_dir(s)).expect("empties"),
        4,
        "found no image set",
    );
}

#[test]
fn import_of_the_folder_and_of_its_parent_agree() {
    let (dir, out) = (folder(), folder());
    let source = official(dir.path());
    let (a, b) = (out.path().join("a"), out.path().join("b"));
    let first = run(&["import", text(&source), "--out", text(&a), "--validation", "0.2"]);
    assert_eq!((first.code, first.out.trim()), (0, text(&a.join("manifest.yaml"))));
    assert_eq!(
        run(&["import", text(dir.path()), "--out", text(&b), "--validation", "0.2"]).code,
        0
    );
    let read = |p: &Path| file::read_text(&p.join("manifest.yaml")).expect("reads");
    assert_eq!(read(&a), read(&b));
    let shown = run(&["inspect", text(&a), "--json"]).out;
    for part in ["\"source\": \"binary\"", "\"train\": 40", "\"validation\": 10", "\"class9\""] {
        assert!(shown.contains(part), "{shown} lacks {part}");
    }
    // The same content elsewhere is done already; other content is not.
    assert_eq!(
        run(&["import", text(dir.path()), "--out", text(&a), "--validation", "0.2"]).code,
        0
    );
    edit(&source.join(FILES[0]), |b| b[9] ^= 1);
    let other = run(&["import", text(&source), "--out", text(&a), "--validation", "0.2"]);
    assert_eq!(other.code, 3);
    assert!(other.err.contains("content"), "{}", other.err);
}

#[test]
fn synth_gives_the_same_bytes_for_any_number_of_threads() {
    let dir = folder();
    let make = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let common = ["synth", "--train", "40", "--test", "10", "--out", text(&out)];
        let done = run(&[&common[..], more].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        let read = |f: &str| file::read(&out.join(f)).expect("reads");
        (read("dataset.safetensors"), read("manifest.yaml"))
    };
    let one = make("one", &["--threads", "1"]);
    assert_eq!(one, make("two", &["--threads", "2"]));
    assert_ne!(one.0, make("three", &["--seed", "1"]).0);
}

#[test]
fn a_dataset_is_inspected_and_drawn_until_it_is_damaged() {
    let dir = folder();
    let (out, png) = (dir.path().join("d"), dir.path().join("p.png"));
    run(&["synth", "--train", "40", "--test", "10", "--out", text(&out)]);
    let shown = run(&["inspect", text(&out)]).out;
    assert!(shown.contains("36 training, 4 validation, 10 test images"), "{shown}");
    let drawn = run(&["preview", text(&out), "--out", text(&png), "--columns", "3"]);
    assert!(drawn.out.starts_with("rows, from the top: disc, ring, "), "{}", drawn.out);
    let sheet = image::open(&png).expect("a PNG").into_rgb8();
    assert_eq!(sheet.dimensions(), (3 * 66 + 2, 10 * 66 + 2));
    assert!(sheet.get_pixel(30, 30) != sheet.get_pixel(0, 0));
    edit(&out.join("dataset.safetensors"), |b| b[5000] ^= 1);
    for command in [&["inspect", text(&out)][..], &["preview", text(&out), "--out", text(&png)]] {
        let run = run(command);
        assert_eq!(run.code, 5, "{}", run.err);
        assert!(run.err.contains("the manifest says"), "{}", run.err);
    }
}

#[test]
fn bad_flags_and_places_are_refused() {
    let dir = folder();
    let out = dir.path().join("d");
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let run = run(arguments);
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.err.contains(expected), "{} lacks {expected}", run.err);
        assert!(!out.exists());
    };
    let place = text(&out);
    check(&["synth", "--out", place, "--train", "9"], 3, "--train 9: the synthetic set has 10");
    check(&["synth", "--out", place, "--validation", "1"], 3, "leaves a part empty");
    check(&["synth", "--out", place, "--validation", "nan"], 3, "leaves a part empty");
    check(&["synth", "--out", place, "--train", "x"], 2, "invalid value");
    let nowhere = dir.path().join("nowhere");
    check(&["import", text(&nowhere), "--out", place], 4, "no such file");
    check(&["import", place, "--out", place, "--fresh"], 3, "--out is the source");
    check(&["inspect", place], 4, "no such folder");
    let blocked = dir.path().join("file");
    file::write(&blocked, b"x").expect("writes");
    let below = blocked.join("d");
    check(
        &["synth", "--train", "40", "--test", "10", "--out", text(&below)],
        6,
        "cannot be written",
    );
    check(&["import", text(&blocked), "--out", place], 5, "neither a tar archive");
    check(&["fetch", "--archive", text(&blocked), "--out", place], 5, "the official archive has");
    if cfg!(not(feature = "fetch")) {
        let absent = dir.path().join("absent.tar.gz");
        check(&["fetch", "--archive", text(&absent), "--out", place], 4, "--features fetch");
    }
    let dry = run(&["synth", "--out", place, "--dry-run"]);
    assert!(dry.code == 0 && dry.out.contains("train: 5000") && !out.exists(), "{}", dry.out);
}
