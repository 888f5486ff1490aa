//! `models import`, `export` and `diff`: what passes, and what is refused with which words.

use std::path::{Path, PathBuf};

use artifact::tensors::{self, Tensor, Tensors};
use artifact::{Manifest, file, record};
use graph::Graph;
use sparsity::Checkpoint;

const SMALL: &str = "vgg-lab@0.03";

/// A scratch folder with the binary in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, stdout and stderr of `models` with the words of `line`.
    fn models(&self, line: &str) -> (i32, String, String) {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("models");
        let out = command.current_dir(self.0.path()).args(line.split_whitespace()).output();
        let out = out.expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (out.status.code().expect("it ended by itself"), text(out.stdout), text(out.stderr))
    }

    #[track_caller]
    fn does(&self, line: &str) -> String {
        let (code, out, err) = self.models(line);
        assert_eq!(code, 0, "{line}: {err}");
        out
    }

    /// `line` fails with `code`, says `expected` and leaves no `out`.
    #[track_caller]
    fn refuses(&self, line: &str, code: i32, expected: &str) {
        let (found, _, err) = self.models(line);
        assert!(err.contains(expected), "{line}: {err} lacks {expected}");
        assert_eq!(found, code, "{line}: {err}");
        assert!(!self.path("out").exists() && !self.path(".out.partial").exists(), "{line}");
    }

    /// Writes the first values of [`SMALL`] as `name`, changed by `change`.
    fn saved(&self, name: &str, change: impl FnOnce(&mut Tensors)) -> Tensors {
        let graph = Graph::build(SMALL, 10, 32).expect("in the zoo");
        let values = graph.params().iter().zip(graph::initial(&graph, 1));
        let mut all: Tensors =
            values.map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
        change(&mut all);
        tensors::write(&self.path(name), &all, None).expect("writes");
        all
    }
}

fn read(path: &Path) -> Tensors {
    tensors::read(path).expect("reads").0
}

#[test]
fn what_is_imported_comes_back_bit_for_bit() {
    let place = Place::new();
    let all = place.saved("a.safetensors", |_| ());
    place.does(&format!("import a.safetensors --network {SMALL} --out in"));
    let checkpoint = Checkpoint::open(&place.path("in")).expect("a sound artifact");
    assert_eq!((checkpoint.tensors, checkpoint.masks.is_empty()), (all.clone(), true));
    place.does("export in --out b.safetensors");
    assert_eq!(read(&place.path("b.safetensors")), all);
    let said = place.does("diff a.safetensors b.safetensors");
    assert!(said.contains("all the same bit for bit"), "{said}");
    let (code, _, err) = place.models("export in --out b.safetensors");
    assert!(code == 3 && err.contains("overwrite it with --fresh"), "{code}: {err}");
}

#[test]
fn prune_pairs_become_masks() {
    let place = Place::new();
    let kept: Vec<f32> = (0..54).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
    place.saved("a.safetensors", |all| {
        let weight = all.remove("backbone.conv0.weight").expect("in the table");
        all.insert("backbone.conv0.weight_mask".into(), Tensor::f32(&weight.shape, kept.clone()));
        all.insert("backbone.conv0.weight_orig".into(), weight);
    });
    place.does(&format!("import a.safetensors --network {SMALL} --out in"));
    let checkpoint = Checkpoint::open(&place.path("in")).expect("a sound artifact");
    assert_eq!(checkpoint.masks.pruned_of("backbone.conv0.weight"), 36);
    let manifest = Manifest::read(&place.path("in")).expect("reads");
    let result: record::Import = manifest.result(&place.path("in")).expect("a record");
    assert_eq!(result.sparsity.pruned, 36);
    assert!(!result.notes.is_empty(), "it says what was done");
}

#[test]
fn what_does_not_fit_is_told_with_a_way_out() {
    let place = Place::new();
    let line = |more: &str| format!("import a.safetensors --network {SMALL} --out out {more}");
    let head = "classifier.weight";
    place.saved("a.safetensors", |_| ());
    let text = "tensor classifier.weight has shape [10, 15]; vgg-lab@0.03 has [100, 15] for 100 \
                classes: models import --replace-head draws a new last layer, --classes 10 keeps this one";
    place.refuses(&line("--classes 100"), 5, text);
    place.does(&format!(
        "import a.safetensors --network {SMALL} --classes 100 --replace-head --out more"
    ));
    place.refuses("import a.safetensors --network vgg-lap --out out", 3, "did you mean vgg-lab?");
    place.refuses("import a.safetensors --out out", 3, "needs --network");
    place.refuses("import b.safetensors --network vgg-lab --out out", 4, "no such file");
    let check = |change: &dyn Fn(&mut Tensors), expected: &str| {
        place.saved("a.safetensors", change);
        place.refuses(&line(""), 5, expected);
    };
    let rename = |all: &mut Tensors, from: &str, to: &str| {
        let tensor = all.remove(from).expect("in the table");
        all.insert(to.to_owned(), tensor);
    };
    check(&|all| rename(all, head, "classifer.weight"), "did you mean classifer.weight?");
    check(
        &|all| {
            all.insert(head.into(), Tensor::f32(&[], vec![0.0]));
        },
        "tensor classifier.weight has shape []; vgg-lab@0.03 has [10, 15]",
    );
    check(
        &|all| {
            all.insert("extra".into(), Tensor::f32(&[1], vec![0.0]));
        },
        "tensor extra is surplus",
    );
    check(
        &|all| {
            let tensor = all.get_mut(head).expect("in the table");
            tensor.shape.reverse();
        },
        "it is transposed; PyTorch keeps outputs x inputs",
    );
    place.saved("a.safetensors", |_| ());
    let bytes = file::read(&place.path("a.safetensors")).expect("reads");
    file::write(&place.path("a.safetensors"), &bytes[..bytes.len() / 2]).expect("writes");
    place.refuses(&line(""), 5, "a.safetensors");
}

#[test]
fn other_forms_hold_the_same_values() {
    let place = Place::new();
    let all = place.saved("a.safetensors", |_| ());
    let from = format!("export a.safetensors --network {SMALL} --out");
    place.does(&format!("{from} a.npz"));
    let npz = file::read(&place.path("a.npz")).expect("reads");
    let values = all["classifier.weight"].as_f32().expect("floats");
    let wanted: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(npz.windows(wanted.len()).any(|w| w == wanted), "the classifier's values");
    place.does(&format!("{from} a.onnx"));
    let onnx = file::read(&place.path("a.onnx")).expect("reads");
    assert!(onnx.windows(wanted.len()).any(|w| w == wanted), "the classifier's values");
    place.refuses(&format!("{from} a.pt"), 3, "ends in .safetensors, .npz or .onnx");
}
