//! Same seed, same bytes: for any number of threads, and after any interruption.

use std::time::{Duration, Instant};

use artifact::{file, names};
use house_tests::Place;

/// How a run is cut short: the signal, the exit code that proves it (none: the signal itself
/// ended the process), and when, as shares of an uninterrupted run's time: the first is short, for a run
/// that goes several times as fast once other tests have ended.
struct Cut {
    signal: &'static str,
    code: Option<i32>,
    at: &'static [f64],
}

/// Stages that last a few seconds.
const TRAINER: &str =
    "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 6 --save-at 2epochs";
/// All that has a state or a random stream of its own; the network has dropout.
const OPTIONS: &str = "trainer --data data --network net10@0.03 --batch 32 --epochs 6 \
     --optimiser adamw --lr 0.002 --schedule one-cycle --clip-norm 1 --freeze conv1.0.* --ema 0.9 \
     --mixup 0.2 --cutout 8 --random-erasing 0.5";
const FINETUNER: &str =
    "finetuner --data data --checkpoint pruned --batch 32 --epochs 6 --recalibration-images 64";
/// Masks that change on the way, each schedule with another structure, allocation and optimiser.
const GRADUAL: &str = "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 6 --prune gradual \
     --sparsity 0.8 --prune-until 0.5 --prune-every 7 --structure block4 --ema 0.9";
const ACDC: &str = "finetuner --data data --checkpoint dense --batch 32 --epochs 6 --recalibration-images 64 \
     --prune acdc --sparsity 0.9 --prune-every 11 --allocation lamp --optimiser adamw --lr 0.002 --teacher dense";
const RIGL: &str = "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 6 --prune rigl --sparsity 0.9 \
     --prune-every 5 --save-at 2epochs";
const SCANNER: &str = "scanner --data data --checkpoint dense --ratios 0.3,0.5,0.7,0.9 \
     --recalibration-images 256";

const SCORES: &str = "scanner scores --checkpoint dense --data data --score fisher --images 720";

const INTERRUPTED: Cut = Cut { signal: "INT", code: Some(75), at: &[0.1, 0.2, 0.15, 0.3, 0.05] };
const KILLED: Cut = Cut { signal: "KILL", code: None, at: &[0.05, 0.3, 0.45, 0.2, 0.37, 0.11] };

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

/// What a stage made: its manifest, byte for byte, after the digests in it were checked.
fn made(place: &Place, out: &str) -> String {
    let (path, manifest) = (place.path(out), place.manifest(out));
    for output in &manifest.outputs {
        manifest.verified(&path, &output.file).expect("the digest holds");
    }
    file::read_text(&path.join(names::MANIFEST)).expect("reads")
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

fn check(stage: &str) {
    let place = start();
    let line = |out: &str| format!("{stage} --out {out}");
    let begun = Instant::now();
    place.succeeds(&format!("{} --threads 1", line("whole")));
    let whole = begun.elapsed();
    let expected = made(&place, "whole");
    for threads in [2, 3] {
        let out = format!("threads{threads}");
        let loaders = if stage.starts_with("scanner") { "" } else { "--workers 3" };
        place.succeeds(&format!("{} --threads {threads} {loaders}", line(&out)));
        assert_eq!(made(&place, &out), expected, "--threads {threads}");
    }
    for cut in [INTERRUPTED, KILLED] {
        let cuts = run_with_cuts(&place, &line(cut.signal), &cut, whole);
        assert!(cuts > 0, "no {} fell into {whole:?}", cut.signal);
        assert_eq!(made(&place, cut.signal), expected, "{cuts} x {}", cut.signal);
    }
    let hidden = |p: &std::path::PathBuf| {
        p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
    };
    assert_eq!(place.listing().into_iter().find(hidden), None, "a trace of an interruption");
}

#[test]
fn training() {
    check(TRAINER);
}

#[test]
fn training_with_other_options() {
    check(OPTIONS);
}

#[test]
fn fine_tuning() {
    check(FINETUNER);
}

#[test]
fn fine_tuning_for_integers() {
    check(&format!("{FINETUNER} --quantise --calibration-images 64"));
}

#[test]
fn gradual_pruning() {
    check(GRADUAL);
}

#[test]
fn alternating_sparse_and_dense() {
    check(ACDC);
}

#[test]
fn sparse_from_the_start() {
    check(RIGL);
}

#[test]
fn scanning() {
    check(SCANNER);
}

#[test]
fn measuring_scores() {
    check(SCORES);
}

#[test]
fn another_seed_is_another_run() {
    let place = start();
    let run = |seed: u64| {
        let out = format!("seed{seed}");
        place.succeeds(&format!("{SHORT} --seed {seed} --out {out}"));
        place.bytes(&format!("{out}/{}", names::MODEL))
    };
    assert_ne!(run(1), run(2));
}

#[test]
fn training_for_integers_is_another_run() {
    let place = start();
    let run = |flags: &str, out: &str| {
        let line = "finetuner --data data --checkpoint pruned --epochs 1 --recalibration-images 64";
        place.succeeds(&format!("{line} {flags} --out {out}"));
        place.bytes(&format!("{out}/{}", names::MODEL))
    };
    assert_ne!(run("", "floats"), run("--quantise --calibration-images 64", "integers"));
}

#[test]
fn the_same_training_again_changes_nothing_downstream() {
    let place = start();
    let pruned = "pruner --checkpoint dense --sparsity 0.8 --out pruned";
    let before = made(&place, "pruned");
    place.succeeds(&format!("{SHORT} --fresh --out dense"));
    let said = place.run(pruned);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("already done"), "{}", said.err);
    assert_eq!(made(&place, "pruned"), before);
}
