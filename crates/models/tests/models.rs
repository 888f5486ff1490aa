//! The binary: what it prints, and its exit codes.

use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use artifact::file;
use artifact::tensors::{self, Tensor, Tensors};
use serde_json::{Value, json};
use zip::ZipWriter;

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

/// An archive of NumPy's with these arrays: name, type, shape and bytes.
fn npz(path: &Path, arrays: &[(&str, &str, &str, Vec<u8>)]) {
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, kind, shape, bytes) in arrays {
        let header =
            format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let start =
            archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default());
        start.expect("starts");
        let front =
            [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes()].concat();
        let all = [front.as_slice(), header.as_bytes(), bytes].concat();
        archive.write_all(&all).expect("writes");
    }
    file::write(path, &archive.finish().expect("ends").into_inner()).expect("writes");
}

/// Two images of one pixel, whose softmax is (3/4, 1/4): the numbers follow with pen and paper.
#[test]
fn golden_numbers_of_a_checkpoint_are_its_own() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let text = "secateur-graph 1\nimage = input channels=3 height=1 width=1\nfc = linear(image) \
                outputs=2\n";
    file::write(path("a.net").as_ref(), text.as_bytes()).expect("writes");
    let three = 3_f32.ln();
    let values = Tensors::from([
        ("fc.weight".to_owned(), Tensor::f32(&[2, 3], vec![0.0; 6])),
        ("fc.bias".to_owned(), Tensor::f32(&[2], vec![three, 0.0])),
    ]);
    tensors::write(path("a.safetensors").as_ref(), &values, None).expect("writes");
    let (net, weights, a) = (path("a.net"), path("a.safetensors"), path("a"));
    let (code, _, err) = models(&format!("import {weights} --network {net} --out {a}"));
    assert_eq!(code, 0, "{err}");
    let golden = |change: &dyn Fn(&mut Value)| {
        let mut numbers = json!({
            "model": "a", "batch": 2, "side": 1, "parameters": 8,
            "logits": [[three, 0.0], [three, 0.0]],
            // Half of -ln 3/4 - ln 1/4.
            "train_loss": 0.836_988_2,
            // Of the logits: (-1/8, 1/8) and (3/8, -3/8).
            "grad_norm": { "fc.weight": 0.625_f64.sqrt(), "fc.bias": 0.125_f64.sqrt() },
            "lr": 1.0,
            "loss_after_step": [0.292_01],
        });
        change(&mut numbers);
        file::write(path("a.json").as_ref(), numbers.to_string().as_bytes()).expect("writes");
    };
    let arrays = |shape: &str, label: i64| {
        let images = [1_f32, 2.0, 3.0, -1.0, 0.0, 1.0].map(f32::to_le_bytes).concat();
        let labels = [0, label].map(i64::to_le_bytes).concat();
        npz(
            path("a.npz").as_ref(),
            &[("train_input", "<f4", shape, images), ("labels", "<i8", "2,", labels)],
        );
    };
    let (file, images) = (path("a.json"), path("a.npz"));
    let line = format!("golden {file} --checkpoint {a} --images {images}");
    golden(&|_| ());
    arrays("2, 3, 1, 1", 1);
    let (code, out, err) = models(&line);
    assert!(code == 0 && out.lines().count() == 7, "{out}{err}");
    let refuses = |line: &str, code: i32, expected: &str| {
        let (found, out, err) = models(line);
        assert!(found == code && err.contains(expected), "{found}: {out}{err}");
    };
    refuses(&format!("golden {file}"), 3, "expected those too: --checkpoint DIR --images FILE.npz");
    refuses(&format!("golden {file} --checkpoint {a}"), 2, "--images");
    arrays("2, 3, 1, 1", 0);
    refuses(&line, 1, "beyond tolerance");
    arrays("2, 3, 1, 1", 2);
    refuses(&line, 3, "array labels holds 2; expected 0 to 1");
    arrays("1, 3, 1, 2", 1);
    refuses(
        &line,
        3,
        "array train_input has shape [1, 3, 1, 2]; the network a expects [2, 3, 1, 1]",
    );
    arrays("2, 3, 1, 1", 1);
    golden(&|numbers| numbers["batch"] = 3.into());
    refuses(&line, 3, "the golden file of a has numbers of 3 images; 2 are given");
    golden(&|numbers| numbers["side"] = 2.into());
    refuses(&line, 3, "has images of 2 x 2; the network takes 1 x 1");
    golden(&|numbers| numbers["logits"][1] = json!([0.0]));
    refuses(&line, 3, "has logits of another shape than 2 x 2");
}
