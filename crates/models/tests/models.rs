//! The binary: what it prints, and its exit codes.

use std::path::{Path, PathBuf};

use artifact::file;
use serde_json::Value;

/// Runs `models` with the words of `line`; gives the exit code, stdout and stderr.
fn models(line: &str) -> (i32, String, String) {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("models");
    let out = command.args(line.split_whitespace()).output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = out.status.code().expect("it ended by itself");
    (code, text(out.stdout), text(out.stderr))
}

fn json(line: &str) -> Value {
    let (code, out, err) = models(line);
    assert_eq!(code, 0, "{line}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn networks_have_their_known_sizes() {
    let list = json("list --json");
    let names: Vec<&str> =
        list.as_array().expect("a list").iter().filter_map(|r| r["name"].as_str()).collect();
    assert!(names.into_iter().eq(graph::names()));
    let check = |network: &str, parameters: u64| {
        let found = json(&format!("summary {network} --json"));
        assert_eq!(found["parameters"], parameters, "{network}");
    };
    check("vgg-lab", 9_228_362);
    check("resnet18", 11_173_962);
    let (_, text, _) = models("summary vgg-lab");
    assert!(text.contains("Total parameters: 9,228,362"), "{text}");
    let (code, _, err) = models("summary vgg-lap");
    assert!(code == 3 && err.contains("vgg-lab"), "{code}: {err}");
}

#[test]
fn golden_numbers_hold_and_a_changed_one_does_not() {
    let golden: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden/vgg-lab.json");
    let (code, out, err) = models(&format!("golden {}", golden.display()));
    assert!(code == 0 && out.contains("logits") && !out.contains("TOO LARGE"), "{out}{err}");

    let dir = tempfile::tempdir().expect("a temporary folder");
    let changed = dir.path().join("changed.json");
    let mut numbers: Value =
        serde_json::from_str(&file::read_text(&golden).expect("reads")).expect("JSON");
    let loss = numbers["train_loss"].as_f64().expect("a number");
    numbers["train_loss"] = (loss * 1.001).into();
    file::write(&changed, numbers.to_string().as_bytes()).expect("writes");
    let (code, out, err) = models(&format!("golden {}", changed.display()));
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("1 of ") && err.contains("beyond tolerance"), "{err}");
    let marked: Vec<&str> = out.lines().filter(|l| l.ends_with("TOO LARGE")).collect();
    assert!(marked.len() == 1 && marked[0].starts_with("loss "), "{out}");
    let (code, ..) = models("golden nowhere.json");
    assert_eq!(code, 4);
}
