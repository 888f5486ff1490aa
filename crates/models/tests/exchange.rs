//! `models import`, `export` and `diff`: what passes, and what is refused with which words.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

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
    check(
        &|all| rename(all, head, "classifer.weight"),
        "tensor classifier.weight [10, 15] of vgg-lab@0.03 is missing; classifer.weight, which the \
         network does not have, has its shape and place: rename it",
    );
    // By spelling backbone.bn1.running_mean would be the nearest.
    check(
        &|all| rename(all, "backbone.bn0.running_mean", "statistics"),
        "; the network has no place for: statistics",
    );
    check(
        &|all| {
            let var = all.get_mut("backbone.bn0.running_var").expect("in the table");
            *var = Tensor::f32(&[2], vec![1.0, -0.25]);
        },
        "tensor backbone.bn0.running_var: value 1 is -0.25; expected a variance, 0 or more",
    );
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
        "tensor extra (float32 [1]) is surplus: vgg-lab@0.03 has none of that name; --ignore 'extra' \
         leaves it out",
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

/// Renames each tensor of [`SMALL`]'s file.
fn renamed(all: &mut Tensors, rename: impl Fn(&str) -> String) {
    *all = std::mem::take(all).into_iter().map(|(name, t)| (rename(&name), t)).collect();
}

#[test]
fn names_come_out_of_their_wrappers() {
    let place = Place::new();
    let plain = place.saved("plain.safetensors", |_| ());
    let check = |rename: &dyn Fn(&str) -> String, flags: &str, note: &str| {
        place.saved("a.safetensors", |all| {
            renamed(all, rename);
            all.insert("criterion.weight".into(), Tensor::f32(&[3], vec![1.0; 3]));
        });
        let surplus = "tensor criterion.weight (float32 [3]) is surplus";
        if !flags.contains("--prefix") {
            place.refuses(&format!("import a.safetensors --network {SMALL} --out out"), 5, surplus);
        }
        let line = format!("import a.safetensors --network {SMALL} --out in --fresh {flags}");
        let (code, _, err) = place.models(&line);
        assert_eq!(code, 0, "{line}: {err}");
        assert!(err.contains(note) && err.contains("criterion.weight"), "{err} lacks {note}");
        let checkpoint = Checkpoint::open(&place.path("in")).expect("a sound artifact");
        assert_eq!(checkpoint.tensors, plain);
    };
    let ignore = "--ignore criterion.*";
    check(&|n| format!("model.{n}"), ignore, "removed model. from 42 names");
    check(&|n| n.replace("backbone.", "backbone._orig_mod."), ignore, "removed _orig_mod.");
    check(
        &|n| format!("net.student.{n}"),
        "--prefix net.student",
        "took the 42 tensors below net.student.",
    );
    let line = format!("import a.safetensors --network {SMALL} --out out");
    place.refuses(&line, 5, "all that is missing lies below net.student: --prefix net.student");
    place.refuses(&format!("{line} --ignore lost.*"), 3, "--ignore lost.* matches no tensor");
    place.refuses(&format!("{line} --prefix nets"), 3, "no tensor is below --prefix nets.");
}

#[test]
fn torchvisions_names_pass_both_ways() {
    let place = Place::new();
    let spec = "resnet18@0.1";
    let graph = Graph::build(spec, 10, 32).expect("in the zoo");
    let values = graph.params().iter().zip(graph::initial(&graph, 1));
    let theirs: Tensors = values
        .map(|(p, v)| {
            (graph.torchvision().expect("it has it").of(&p.name), Tensor::f32(&p.shape, v))
        })
        .collect();
    assert!(theirs.contains_key("layer2.0.downsample.0.weight") && theirs.contains_key("fc.bias"));
    tensors::write(&place.path("a.safetensors"), &theirs, None).expect("writes");
    place.does(&format!("import a.safetensors --network {spec} --out in"));
    let notes = Manifest::read(&place.path("in"))
        .and_then(|m| m.result::<record::Import>(&place.path("in")))
        .expect("a record")
        .notes;
    assert!(
        notes[0].starts_with("took 17 tensors by another library's names, such as"),
        "{notes:?}"
    );
    place.does("export in --out b.safetensors --names torchvision");
    assert_eq!(read(&place.path("b.safetensors")), theirs);
    place.does("export in --out c.safetensors");
    assert!(read(&place.path("c.safetensors")).contains_key("linear.bias"));
    let said = place.does("diff in a.safetensors");
    assert!(said.contains("all the same bit for bit"), "{said}");
    place.refuses("export in --out out --names torchvision", 3, "ends in .safetensors");
    let (code, _, err) = place.models("export in --out c.onnx --names torchvision");
    assert!(code == 3 && err.contains("an .onnx file keeps its own names"), "{code}: {err}");
    place.saved("d.safetensors", |_| ());
    let line = format!("export d.safetensors --network {SMALL} --out e.npz --names torchvision");
    let (code, _, err) = place.models(&line);
    assert!(code == 3 && err.contains("torchvision has no vgg-lab@0.03"), "{code}: {err}");
}

#[test]
fn masks_come_from_a_file_of_their_own() {
    let place = Place::new();
    let plain = place.saved("a.safetensors", |_| ());
    let name = "backbone.conv0.weight";
    let kept: Vec<u8> = (0..54).map(|i| u8::from(i % 3 == 0)).collect();
    let mask = |name: &str, values| {
        let masks = [(name.to_owned(), Tensor::u8(&[2, 3, 3, 3], values))].into();
        tensors::write(&place.path("m.safetensors"), &masks, None).expect("writes");
    };
    mask(&format!("module.{name}_mask"), kept.clone());
    place.does(&format!("import a.safetensors --masks m.safetensors --network {SMALL} --out in"));
    let checkpoint = Checkpoint::open(&place.path("in")).expect("a sound artifact");
    assert_eq!(checkpoint.masks.pruned_of(name), 36);
    let expected: Vec<f32> = plain[name]
        .as_f32()
        .expect("floats")
        .iter()
        .zip(&kept)
        .map(|(w, k)| if *k == 0 { 0.0 } else { *w })
        .collect();
    assert_eq!(checkpoint.values(name), expected);
    let manifest = Manifest::read(&place.path("in")).expect("reads");
    assert!(manifest.inputs.iter().any(|i| i.role == "masks"), "the masks are an input");
    let line = format!("import a.safetensors --masks m.safetensors --network {SMALL} --out out");
    mask("backbone.conv9.weight", kept.clone());
    place.refuses(
        &line,
        5,
        "m.safetensors: 1 mask of no tensor of the network: backbone.conv9.weight",
    );
    mask(name, vec![2; 54]);
    place.refuses(&line, 5, "value 0 is 2; expected 0 or 1");
    mask("backbone.bn0.running_var", kept);
    place.refuses(&line, 5, "m.safetensors: mask backbone.bn0.running_var: shape [2, 3, 3, 3]");
}

#[test]
fn what_an_onnx_file_notes_comes_back() {
    let place = Place::new();
    place.saved("a.safetensors", |_| ());
    let names: Vec<String> = (0..10).map(|i| format!("class {i}")).collect();
    file::write(&place.path("names.txt"), names.join("\n").as_bytes()).expect("writes");
    let flags = "--classes names.txt --mean 0.5,0.25,0.125 --std 0.2,0.3,0.4";
    place.does(&format!("import a.safetensors --network {SMALL} {flags} --out first"));
    place.does("export first --out a.onnx");
    let (code, _, err) = place.models("import a.onnx --out second");
    assert_eq!(code, 0, "{err}");
    assert!(
        err.contains("mean [0.5, 0.25, 0.125] and standard deviation [0.2, 0.3, 0.4]"),
        "{err}"
    );
    let network = |name: &str| Manifest::read(&place.path(name)).expect("reads").network;
    let (first, second) = (network("first").expect("named"), network("second").expect("named"));
    assert_eq!(first.class_names, names);
    assert_eq!(first.class_names, second.class_names);
    assert_eq!(first.normalisation, second.normalisation);
    let (code, _, err) = place.models("import a.onnx --mean 0,0,0 --std 1,1,1 --out third");
    assert!(code == 0 && err.contains("--mean, --std: replace the normalisation"), "{code}: {err}");
    let third = network("third").expect("named");
    assert_eq!(third.normalisation.expect("given").std, [1.0; 3]);
    assert_eq!(third.class_names, names);
}
