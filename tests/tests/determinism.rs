//! Same seed, same bytes: for any number of threads, and after any interruption.

use std::time::{Duration, Instant};

use artifact::record::Scan;
use artifact::{file, names};
use house_tests::Place;

/// A stage that lasts a few seconds, and which of its files are compared.
struct Stage {
    line: &'static str,
    compared: fn(&Place, &str) -> Vec<String>,
}

/// How a run is cut short: the signal, the exit code that proves it (none: the signal itself
/// ended the process), and when, as shares of an uninterrupted run's time.
struct Cut {
    signal: &'static str,
    code: Option<i32>,
    at: &'static [f64],
}

const TRAINER: Stage = Stage {
    line: "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 6",
    compared: trained,
};
/// All that has a state or a random stream of its own; the network has dropout.
const OPTIONS: Stage = Stage {
    line: "trainer --data data --network net10@0.03 --batch 32 --epochs 6 --optimiser adamw \
           --lr 0.002 --schedule one-cycle --clip-norm 1 --freeze conv1.0.* --ema 0.9 \
           --mixup 0.2 --cutout 8 --random-erasing 0.5",
    compared: trained,
};
const FINETUNER: Stage = Stage {
    line: "finetuner --data data --checkpoint pruned --batch 32 --epochs 6 --recalibration-images 64",
    compared: |place, out| {
        let files = [names::MODEL, names::MASK].map(|name| digest(place, out, name));
        [files.to_vec(), metrics(place, out)].concat()
    },
};
const SCANNER: Stage = Stage {
    line: "scanner --data data --checkpoint dense --ratios 0.3,0.5,0.7,0.9 \
           --recalibration-images 256",
    compared: |place, out| {
        let scan: Scan = place.manifest(out).result(&place.path(out)).expect("a scan");
        let mut rows = scan.rows;
        for row in &mut rows {
            row.seconds = 0.0;
        }
        vec![format!("{:?} {rows:?}", scan.baseline), digest(place, out, names::SCORES)]
    },
};

const INTERRUPTED: Cut = Cut { signal: "INT", code: Some(75), at: &[0.2, 0.15, 0.3, 0.05, 0.1] };
const KILLED: Cut = Cut { signal: "KILL", code: None, at: &[0.3, 0.45, 0.2, 0.37, 0.05, 0.11] };

/// One epoch of training.
const SHORT: &str = "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 1";

/// A dataset, a dense checkpoint and a pruned one.
fn start() -> Place {
    let place = Place::new();
    place.succeeds("data-cifar synth --train 800 --test 50 --out data");
    place.succeeds(&format!("{SHORT} --out dense"));
    place.succeeds("pruner --checkpoint dense --sparsity 0.8 --out pruned");
    place
}

fn digest(place: &Place, out: &str, name: &str) -> String {
    let path = place.path(out);
    let manifest = place.manifest(out);
    manifest.verified(&path, name).expect("the digest holds");
    let output = manifest.outputs.iter().find(|o| o.file == name).expect("listed");
    format!("{name} {}", output.sha256)
}

/// What a trainer leaves.
fn trained(place: &Place, out: &str) -> Vec<String> {
    let files = [names::MODEL, names::LAST].map(|name| digest(place, out, name));
    [files.to_vec(), metrics(place, out)].concat()
}

/// The lines of the metrics up to what a clock measured.
fn metrics(place: &Place, out: &str) -> Vec<String> {
    let text = file::read_text(&place.path(out).join(names::METRICS)).expect("reads");
    let timeless = |line: &str| line.split(",\"seconds\"").next().map(str::to_owned);
    text.lines().filter_map(timeless).collect()
}

/// Cuts the run of `line` short as `cut` says, then runs it to its end; how often it was cut.
fn run_with_cuts(place: &Place, line: &str, cut: &Cut, whole: Duration) -> usize {
    let mut cuts = 0;
    for (i, share) in cut.at.iter().enumerate() {
        let child = place.start(&format!("{line} --threads {}", 1 + i % 3));
        std::thread::sleep(whole.mul_f64(*share));
        child.signal(cut.signal);
        let said = child.wait();
        match said.code {
            // Before the handler stands, or after the work is done.
            None | Some(0) if said.code != cut.code => {}
            code => {
                assert_eq!(code, cut.code, "{line}: {}", said.err);
                cuts += 1;
            }
        }
    }
    place.succeeds(line);
    cuts
}

fn check(stage: &Stage) {
    let place = start();
    let line = |out: &str| format!("{} --out {out}", stage.line);
    let begun = Instant::now();
    place.succeeds(&format!("{} --threads 1", line("whole")));
    let whole = begun.elapsed();
    let expected = (stage.compared)(&place, "whole");
    for threads in [2, 3] {
        let out = format!("threads{threads}");
        let loaders = if stage.line.starts_with("scanner") { "" } else { "--workers 3" };
        place.succeeds(&format!("{} --threads {threads} {loaders}", line(&out)));
        assert_eq!((stage.compared)(&place, &out), expected, "--threads {threads}");
    }
    for cut in [INTERRUPTED, KILLED] {
        let cuts = run_with_cuts(&place, &line(cut.signal), &cut, whole);
        assert!(cuts > 0, "no {} fell into {whole:?}", cut.signal);
        assert_eq!((stage.compared)(&place, cut.signal), expected, "{cuts} x {}", cut.signal);
    }
    let hidden = |p: &std::path::PathBuf| {
        p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
    };
    assert_eq!(place.listing().into_iter().find(hidden), None, "a trace of an interruption");
}

#[test]
fn training() {
    check(&TRAINER);
}

#[test]
fn training_with_other_options() {
    check(&OPTIONS);
}

#[test]
fn fine_tuning() {
    check(&FINETUNER);
}

#[test]
fn scanning() {
    check(&SCANNER);
}

#[test]
fn another_seed_is_another_run() {
    let place = start();
    let run = |seed: u64| {
        let out = format!("seed{seed}");
        place.succeeds(&format!("{SHORT} --seed {seed} --out {out}"));
        digest(&place, &out, names::MODEL)
    };
    assert_ne!(run(1), run(2));
}
