//! `make` as a user calls it, from images to report, on a tiny network.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use artifact::record::Finetuning;
use artifact::tensors::{self, Tensors};
use artifact::{file, names};
use house_tests::{Place, Said, binaries, text_of};

/// A dataset, and `make` with all that it writes in the same scratch folder.
struct House {
    place: Place,
    bin: PathBuf,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// `make` in the workspace, undisturbed by a make or by settings around the tests.
fn bare_make() -> Command {
    let mut make = Command::new("make");
    make.current_dir(root()).stdin(Stdio::null()).env_clear();
    make.envs(std::env::var("PATH").map(|path| ("PATH", path)));
    make
}

impl House {
    fn new() -> Self {
        let place = Place::new();
        place.succeeds("data-cifar synth --train 200 --test 50 --out data");
        Self { place, bin: binaries() }
    }

    fn make(&self, target: &str, settings: &[&str]) -> Said {
        let paths = [("OUT", self.place.path("out")), ("DATA", self.place.path("data"))];
        let paths = paths.into_iter().chain([("BIN", self.bin.clone())]);
        let mut make = bare_make();
        make.arg(target).args(["RECIPE=smoke", "BUILD=true"]);
        make.args(paths.map(|(name, path)| format!("{name}={}", path.display())));
        make.args(settings).output().expect("make starts").into()
    }

    fn made(&self, target: &str, settings: &[&str]) -> Said {
        let said = self.make(target, settings);
        assert_eq!(said.code, Some(0), "make {target} {settings:?}: {}{}", said.out, said.err);
        said
    }

    /// When each manifest was last written, by path.
    fn times(&self) -> BTreeMap<PathBuf, SystemTime> {
        let manifests = self.place.listing().into_iter().filter(|p| p.ends_with(names::MANIFEST));
        let time = |p: &Path| p.metadata().and_then(|m| m.modified()).expect("a time");
        manifests.map(|p| (p.clone(), time(&p))).collect()
    }

    /// Asserts that `make` finds nothing to do.
    fn nothing_to_do(&self, target: &str, settings: &[&str]) {
        let before = self.times();
        let said = self.made(target, settings);
        let bin = self.bin.display().to_string();
        assert!(!said.out.contains(&bin) && !said.err.contains(&bin), "{}{}", said.out, said.err);
        assert_eq!(self.times(), before, "make {target} a second time");
    }

    /// Asserts that the fine-tuned `out/name` has exactly the share `target` of its prunable
    /// weights masked, each masked weight zero, and says so in its manifest.
    fn holds_exactly(&self, name: &str, target: f64) {
        let folder = self.place.path("out").join(name);
        let manifest = self.place.manifest(&format!("out/{name}"));
        let read = |file: &str| -> Tensors {
            let path = manifest.verified(&folder, file).expect("the digest holds");
            tensors::read(&path).expect("a sound file").0
        };
        let (weights, masks) = (read(names::MODEL), read(names::MASK));
        let (mut all, mut masked) = (0_usize, 0_usize);
        for (name, mask) in &masks {
            let mask = mask.as_u8().expect("bytes");
            let values = weights[name].as_f32().expect("floats");
            let gone = mask.iter().zip(values).filter(|(kept, _)| **kept == 0);
            let gone: Vec<f32> = gone.map(|(_, value)| *value).collect();
            assert!(gone.iter().all(|v| *v == 0.0), "{name}: a masked weight lives");
            all += mask.len();
            masked += gone.len();
        }
        let result: Finetuning = manifest.result(&folder).expect("a record of fine-tuning");
        assert_eq!(result.sparsity.prunable, all as u64, "every prunable weight has a mask");
        assert_eq!(masked, (target * all as f64).round() as usize, "{name}: of {all} weights");
        assert_eq!(result.sparsity.pruned, masked as u64);
    }
}

#[test]
fn one_shot_ends_in_a_report_and_a_second_make_does_nothing() {
    let mut house = House::new();
    let settings = ["SPARSITY=0.9"];
    house.made("one-shot", &settings);
    house.holds_exactly("one-shot-0.9/tuned", 0.9);
    let run =
        ["pruned", "tuned", "deployed", "report"].map(|stage| format!("one-shot-0.9/{stage}"));
    for stage in run.iter().map(String::as_str).chain(["dense"]) {
        let manifest = house.place.manifest(&format!("out/{stage}"));
        assert!(!manifest.outputs.is_empty(), "{stage}: lists its files");
    }
    let page = file::read_text(&house.place.path("out/one-shot-0.9/report").join(names::REPORT));
    let page = page.expect("a page");
    assert!(page.contains("vgg-lab@0.0625"), "the page names the network");
    let packed = house.place.bytes("out/one-shot-0.9/deployed/packed.safetensors").len();
    let packed = artifact::size::thousands(packed as u64);
    assert!(page.contains(&packed), "the page holds the packed file's {packed} bytes");
    house.nothing_to_do("one-shot", &settings);
    // A rebuilt trainer: newer than all that the old one made.
    let bin = house.place.path("bin");
    file::make_folder(&bin).expect("makes");
    std::fs::copy(house.bin.join("trainer"), bin.join("trainer")).expect("copies");
    let now = File::open(bin.join("trainer")).and_then(|f| f.set_modified(SystemTime::now()));
    now.expect("touches");
    house.bin = bin;
    house.nothing_to_do("one-shot", &settings);
}

#[test]
fn values_stored_otherwise_stand_beside_the_others() {
    let house = House::new();
    house.made("one-shot", &["SPARSITY=0.9"]);
    let before = house.times();
    house.made("one-shot", &["SPARSITY=0.9", "VALUES=f16"]);
    let bytes = |name: &str| {
        let path = format!("out/one-shot-0.9/{name}/packed.safetensors");
        house.place.bytes(&path).len()
    };
    assert!(bytes("deployed-f16") < bytes("deployed"));
    house.place.manifest("out/one-shot-0.9/report-f16");
    let after = house.times();
    assert!(before.iter().all(|(path, time)| after[path] == *time), "nothing is made again");
    house.nothing_to_do("one-shot", &["VALUES=f32"]);
}

#[test]
fn integers_of_blocks_stand_beside_floats_in_one_report() {
    let house = House::new();
    let settings = ["SPARSITY=0.8", "VALUES=int8", "STRUCTURE=block4"];
    house.made("one-shot", &settings);
    let folder = "out/one-shot-0.8-block4";
    let bytes =
        |name: &str| house.place.bytes(&format!("{folder}/{name}/packed.safetensors")).len();
    assert!(2 * bytes("deployed-w8a8") < bytes("deployed"));
    let page = house.place.bytes(&format!("{folder}/report-w8a8/report.html"));
    let page = String::from_utf8(page).expect("UTF-8");
    for words in ["packed, f32", "packed, int8 (W8A8)", "in blocks of four"] {
        assert!(page.contains(words), "the page lacks {words}");
    }
    house.nothing_to_do("one-shot", &settings);
}

#[test]
fn another_sparsity_shares_the_dense_run() {
    let house = House::new();
    house.made("dense", &[]);
    let dense = house.times();
    house.made("finetune", &["SPARSITY=0.7"]);
    house.holds_exactly("one-shot-0.7/tuned", 0.7);
    let kept = house.times().into_iter().filter(|(path, _)| dense.contains_key(path));
    assert_eq!(kept.collect::<BTreeMap<_, _>>(), dense);
}

#[test]
fn iterative_ends_at_exactly_the_target() {
    let house = House::new();
    let settings = ["SPARSITY=0.8", "ROUND_RATE=0.5", "ROUND_EPOCHS=1", "FINAL_EPOCHS=1"];
    house.made("iterative", &settings);
    let run = "iterative-0.8-rate0.5-e1-f1";
    for (round, target) in [(1, 0.5), (2, 0.75), (3, 0.8)] {
        house.holds_exactly(&format!("{run}/round-{round}/tuned"), target);
    }
    house.holds_exactly(&format!("{run}/final"), 0.8);
    house.place.manifest(&format!("out/{run}/deployed"));
    house.place.manifest(&format!("out/{run}/report"));
    assert!(!house.place.path(&format!("out/{run}/round-4")).exists());
    house.nothing_to_do("iterative", &settings);
}

#[test]
fn a_sweep_in_parallel_is_one_report() {
    let house = House::new();
    let settings = ["SPARSITIES=0.5 0.9", "-j2"];
    house.made("sweep", &settings);
    house.holds_exactly("one-shot-0.5/tuned", 0.5);
    house.holds_exactly("one-shot-0.9/tuned", 0.9);
    let inputs = house.place.manifest("out/sweep-0.5_0.9/report").inputs;
    for input in ["0.5/tuned", "0.9/tuned", "0.5/deployed", "0.9/deployed"] {
        assert!(inputs.iter().any(|i| i.path.ends_with(input)), "{input}: {inputs:?}");
    }
    let page = house.place.path("out/sweep-0.5_0.9/report").join(names::REPORT);
    let page = file::read_text(&page).expect("a page");
    assert!(page.contains("Accuracy against bytes") && page.contains("Accuracy against millisec"));
    house.nothing_to_do("sweep", &settings);
}

#[test]
fn a_scan_leads_to_a_plan_and_a_report() {
    let house = House::new();
    house.made("scan", &[]);
    house.place.succeeds("pruner plan --from-scan out/scan --out plan.yaml --max-drop 0.2");
    house.place.succeeds("pruner --checkpoint out/dense --plan plan.yaml --out planned");
    house.made("report", &["SPARSITY=0.9"]);
    house.place.manifest("out/one-shot-0.9/report-with-scan");
    house.nothing_to_do("scan", &[]);
}

#[test]
fn bad_settings_are_refused_at_once() {
    let house = House::new();
    let before = house.place.listing();
    let check = |setting: &str, expected: &str| {
        for target in ["one-shot", "iterative", "sweep"] {
            let said = house.make(target, &[setting]);
            assert_eq!(said.code, Some(2), "make {target} {setting:?}: {}{}", said.out, said.err);
            assert!(said.err.contains(expected), "{setting:?}: {} lacks {expected}", said.err);
            assert_eq!(house.place.listing(), before, "make {target} {setting:?} made something");
        }
    };
    for bad in ["0", "1", "1.2", "-0.1", "90", "abc", "nan", "", "0.0", "1e-1", "0.5;ls", "0,9"] {
        let expected = "expected a fraction over 0 and below 1; for 90 % say SPARSITY=0.9";
        check(&format!("SPARSITY={bad}"), expected);
        check(&format!("ROUND_RATE={bad}"), "expected a fraction over 0 and below 1");
        check(&format!("SPARSITIES=0.5 {}", if bad.is_empty() { "x" } else { bad }), "SPARSITIES=");
    }
    check("SPARSITY=0.5 0.9", "expected one fraction");
    check("SEED=-1", "SEED=-1: expected a whole number");
    check("VALUES=f8", "VALUES=f8: expected one of f32 f16 int8 codebook4");
    check("STRUCTURE=rows", "STRUCTURE=rows: expected weight, block4, kernel, channel or N:M");
    check("METHOD=size", "METHOD=size: expected one of magnitude random taylor fisher wanda");
    check("ALLOCATION=layer", "ALLOCATION=layer: expected one of global uniform lamp erk");
    check("EPOCHS=0", "EPOCHS=0: expected a whole number over 0");
    check("RECIPE=cifar", "no file pipelines/recipes/cifar.yaml; there are:");
    for name in ["my run", "a:b", "it's", "a;b"] {
        for variable in ["OUT", "DATA", "MODEL", "WEIGHTS", "GROUP"] {
            let expected = format!("{variable}={name}: expected a name without spaces");
            check(&format!("{variable}={name}"), &expected);
        }
    }
}

#[test]
fn programs_and_sources_may_lie_in_folders_with_spaces() {
    let house = House::new();
    let folder = house.place.path("my programs, it's");
    std::os::unix::fs::symlink(&house.bin, &folder).expect("makes a link");
    let bin = format!("BIN={}", folder.display());
    house.made("dense", &[&bin]);
    assert!(house.place.path("out/dense/manifest.yaml").exists());
    let said = house.make("data", &[&bin, "DATA=imported", "SOURCE=no such, it's"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no such, it's"), "{}", said.err);
}

#[test]
fn a_dataset_that_is_not_there_says_how_to_make_it() {
    let house = House::new();
    let said = house.make("one-shot", &["DATA=nowhere/at-all"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("make data DATA=nowhere/at-all SOURCE="), "{}", said.err);
    assert!(!house.place.path("out").exists());
}

#[test]
fn help_lists_every_target_and_variable() {
    let output = bare_make().arg("help").output().expect("make starts");
    let help = text_of(&output.stdout);
    let first_words: Vec<&str> = help.lines().filter_map(|l| l.split_whitespace().next()).collect();
    let shown = |word: &str| first_words.iter().any(|w| w.trim_end_matches(',') == word);
    let parts = std::fs::read_dir(root().join("pipelines")).expect("lists");
    let parts = parts.map(|e| e.expect("an entry").path());
    let parts = parts.filter(|p| p.extension().is_some_and(|e| e == "mk"));
    let mut targets = 0;
    for part in parts.chain([root().join("Makefile")]) {
        let text = file::read_text(&part).expect("reads");
        for target in text.lines().filter_map(|l| l.strip_prefix(".PHONY:")) {
            // Those of single experiments go by NAME.
            for target in target.split_whitespace().filter(|t| !t.starts_with('$')) {
                assert!(shown(target), "make help lacks the target {target}:\n{help}");
                targets += 1;
            }
        }
        // BIN and BUILD are the tests' own.
        let variable = |line: &str| line.split_once(" ?=").map(|(name, _)| name.to_owned());
        for name in text.lines().filter_map(variable).filter(|n| n != "BIN" && n != "BUILD") {
            let listed = help.lines().any(|l| l.split([' ', ',']).any(|w| w == name));
            assert!(listed, "make help lacks the variable {name}:\n{help}");
        }
    }
    assert!(targets >= 10, "found {targets} targets");
}
