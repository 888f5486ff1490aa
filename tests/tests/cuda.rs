//! The pipeline on a GPU, or on an emulated one whose folder `SECATEUR_EMULATOR` names
//! (crates/cuda/emulator). Without either a line says that nothing was checked; with
//! `SECATEUR_NEEDS_CUDA=1` that is a failure.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]
#![cfg(feature = "cuda")]

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use artifact::{Error, Manifest, names};
use house_tests::{Place, Said};

const TRAIN: &str = "trainer --data data --network vgg-lab@0.125 --batch 32 --crop-padding 2 \
                     --device cuda --out";

/// A folder with a dataset, and what a GPU needs.
struct House {
    place: Place,
    emulator: Option<String>,
}

impl House {
    /// None where there is no GPU, said aloud.
    fn open(test: &str) -> Option<Self> {
        let house = Self { place: Place::new(), emulator: std::env::var("SECATEUR_EMULATOR").ok() };
        house.place.succeeds("data-cifar synth --train 160 --test 40 --out data");
        let said = house.run("models conformance --precision f32 --device cuda:99", &[]);
        // Whatever else is missing, that device is.
        if said.err.contains("there is no device 99") {
            return Some(house);
        }
        assert!(std::env::var_os("SECATEUR_NEEDS_CUDA").is_none(), "{}", said.err);
        // Past the test harness, which keeps what passing tests print to itself.
        let line = format!("SKIPPED: {test}, nothing was checked: {}", said.err);
        std::io::stderr().write_all(line.as_bytes()).expect("prints");
        None
    }

    fn run(&self, line: &str, more: &[(&str, &str)]) -> Said {
        let emulated = self.emulator.iter().map(|folder| ("LD_LIBRARY_PATH", folder.as_str()));
        let variables: Vec<_> = emulated
            .chain([("EMULATED_MEMORY", "500000000")])
            .chain(more.iter().copied())
            .collect();
        self.place.run_with(line, &variables)
    }

    fn succeeds(&self, line: &str) -> Said {
        let said = self.run(line, &[]);
        assert_eq!(said.code, Some(0), "{line}: {}", said.err);
        said
    }

    fn digests(&self, out: &str) -> Vec<String> {
        let manifest: Manifest = self.place.manifest(out);
        let outputs = manifest.outputs.iter();
        outputs.map(|o| format!("{} {}", o.file, o.sha256)).collect()
    }
}

#[test]
fn a_run_comes_out_the_same_and_goes_on_after_an_interruption() {
    let Some(house) = House::open("runs that come out the same") else { return };
    for out in ["one", "two"] {
        house.succeeds(&format!("{TRAIN} {out} --epochs 4"));
    }
    assert_eq!(house.digests("one"), house.digests("two"));
    let line = format!("{TRAIN} cut --epochs 4");
    let mut command = house.place.command(&line);
    if let Some(folder) = &house.emulator {
        command.env("LD_LIBRARY_PATH", folder).env("EMULATED_MEMORY", "500000000");
    }
    let mut child = command.spawn().expect("starts");
    // The first epoch is through, and others are not.
    let metrics = house.place.path(".cut.partial").join(names::METRICS);
    let begun = Instant::now();
    while !metrics.exists() && begun.elapsed() < Duration::from_mins(5) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    sent.expect("every Unix has kill");
    assert_eq!(child.wait().expect("ends").code(), Some(75), "interrupted, with a state");
    house.succeeds(&line);
    assert_eq!(house.digests("one"), house.digests("cut"));
}

#[test]
fn masks_hold_and_checkpoints_load_anywhere() {
    let Some(house) = House::open("masks on a GPU") else { return };
    house.succeeds(&format!("{TRAIN} dense --epochs 1 --precision bf16"));
    house.succeeds("pruner --checkpoint dense --sparsity 0.8 --out pruned");
    house.succeeds(
        "finetuner --checkpoint pruned --data data --epochs 1 --batch 32 --device cuda \
         --precision bf16 --optimiser adamw --lr 0.002 --ema 0.9 --mixup 0.2 --cutout 8 \
         --clip-norm 1 --recalibration-images 32 --out tuned",
    );
    let scores = |device: &str| -> serde_json::Value {
        let said = house.succeeds(&format!("models eval --json tuned --data data {device}"));
        serde_json::from_str::<serde_json::Value>(&said.out).expect("rows")[0].clone()
    };
    let (here, there) = (scores("--device cpu"), scores("--device cuda --precision f32"));
    let zeros = |row: &serde_json::Value| row["sparsity"]["prunable_zero"].clone();
    assert_eq!(zeros(&here), zeros(&there));
    let loss = |row: &serde_json::Value| row["scores"]["test"]["loss"].as_f64().expect("a loss");
    assert!((loss(&here) - loss(&there)).abs() < 1e-4, "{here} {there}");
    let text = house.place.bytes("tuned/manifest.yaml");
    let text = String::from_utf8(text).expect("text");
    assert!(text.contains("device: cuda\n") && text.contains("precision: bf16\n"), "{text}");
    let said = house.succeeds(
        "scanner --checkpoint dense --data data --ratios 0.5 --layers backbone.conv3.weight \
         --recalibration-images 32 --device cuda --out scan",
    );
    assert!(said.out.contains("scan/manifest.yaml"), "{said:?}");
    let said = house.run(
        "finetuner --checkpoint pruned --data data --quantise --device cuda --out integers",
        &[],
    );
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("--quantise: runs on the processor alone"), "{}", said.err);
}

/// What is said where something is missing; only an emulated device can be made to lack it.
#[test]
fn what_is_missing_is_told() {
    let Some(house) = House::open("a GPU's errors") else { return };
    let Some(emulator) = house.emulator.as_deref() else { return };
    let exit = i32::from(Error::Resource(String::new()).exit_code());
    let line = format!("{TRAIN} out --epochs 1");
    let check = |line: &str, variables: &[(&str, &str)], expected: &[&str]| {
        let said = house.run(line, variables);
        assert_eq!(said.code, Some(exit), "{variables:?}: {}", said.err);
        for words in expected {
            assert!(said.err.contains(words), "{variables:?}: {:?} lacks {words:?}", said.err);
        }
    };
    let nowhere = ("LD_LIBRARY_PATH", "/nonexistent");
    check(&line, &[nowhere], &["NVIDIA's driver is missing", "libcuda.so.1", "SECATEUR_CUDA"]);
    check(&line, &[("EMULATED_DEVICES", "0")], &["finds no device"]);
    check(&line, &[("EMULATED_DRIVER", "11080")], &["too old", "CUDA 11.8", "12.0 or later"]);
    let third = line.replace("--device cuda", "--device cuda:3");
    check(&third, &[], &["there is no device 3", "--device cuda:0"]);
    let large = line.replace("--batch 32", "--batch 144");
    let memory = ("EMULATED_MEMORY", "14000000");
    check(&large, &[memory], &["out of memory", "--batch 144 does not fit", "would fit"]);
    // Without a compiler the emulated NVRTC compiles nothing, and says so in its log.
    let cache = house.place.path("kernels").display().to_string();
    let cache = cache.as_str();
    let without = [("PATH", "/nonexistent"), ("EMULATOR_CACHE", cache), ("SECATEUR_CACHE", cache)];
    check(&line, &without, &["NVRTC", "does not compile", "could not be run"]);
    for (library, words) in [("libnvrtc.so.13", "run-time compiler"), ("libcudnn.so.9", "cuDNN 9")]
    {
        let folder = house.place.path(&format!("without-{library}"));
        artifact::file::make_folder(&folder).expect("makes");
        let all = std::fs::read_dir(emulator).expect("lists").map(|e| e.expect("an entry"));
        for file in all.filter(|e| e.path().is_file() && e.file_name() != library) {
            std::fs::copy(file.path(), folder.join(file.file_name())).expect("copies");
        }
        let folder = folder.display().to_string();
        check(&line, &[("LD_LIBRARY_PATH", &folder)], &[words, "is missing", library]);
    }
    assert!(!house.place.path("out").exists(), "nothing was made");
    let auto = line.replace("--device cuda", "--device auto");
    let said = house.run(&auto, &[nowhere]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("--device auto: the processor"), "{}", said.err);
}
