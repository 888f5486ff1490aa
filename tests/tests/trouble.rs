//! What goes wrong in the middle of a run: its exit code, and that the last good state survives.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use artifact::{file, names, tensors};
use house_tests::{Place, Said, binaries};

const TRAIN: &str = "trainer --data data --network vgg-lab@0.0625";
/// A learning rate that is sound for one epoch and then leads out of the numbers.
const LEAP: &str = "--schedule step --step-epochs 1 --gamma 1e30";

fn house() -> Place {
    let place = Place::new();
    place.succeeds("data-cifar synth --train 100 --test 20 --out data");
    place
}

/// A file of the unfinished artifact `out`.
fn partial(place: &Place, out: &str, name: &str) -> PathBuf {
    place.path(&format!(".{out}.partial")).join(name)
}

/// Asserts that the state of the unfinished artifact `out` reads and is that of `epochs` epochs.
fn state_is_of(place: &Place, out: &str, epochs: usize) -> Vec<u8> {
    let path = partial(place, out, names::STATE);
    let (state, note) = tensors::read_sealed(&path).expect("whole, and all of it finite");
    assert!(state.contains_key("now/classifier.weight"), "{:?}", state.keys());
    assert!(note.contains(&format!("\"epoch\":{epochs},\"step\":0,")), "{note}");
    file::read(&path).expect("reads")
}

/// Runs `line` by `script`, a shell's, with the line's words as its arguments.
fn in_shell(place: &Place, program: &[&str], script: &str, line: &str) -> Said {
    let words = line.split_whitespace().skip(1);
    let stage = binaries().join(line.split_whitespace().next().expect("a name"));
    let mut shell = Command::new(program[0]);
    shell.args(&program[1..]).args(["sh", "-c", script, "sh"]).arg(stage).args(words);
    shell.current_dir(place.root()).output().expect("it starts").into()
}

#[test]
fn a_loss_that_is_no_number_at_once() {
    let place = house();
    let line = format!("{TRAIN} --lr 1e30 --out out");
    place.refuses(&line, 7, "no epoch was complete; try a lower --lr, or warm-up");
}

#[test]
fn a_loss_that_is_no_number_later() {
    let place = house();
    place.succeeds(&format!("{TRAIN} --epochs 1 --out dense"));
    place.succeeds("pruner --checkpoint dense --sparsity 0.5 --out pruned");
    let tune = "finetuner --data data --checkpoint pruned";
    // Within an epoch, after its only step, and under masks.
    let check = |line: &str, out: &str, expected: &str| {
        let line = format!("{line} --epochs 3 --out {out}");
        let said = place.run(&line);
        assert_eq!(said.code, Some(7), "{line}: {}", said.err);
        assert!(said.err.contains(expected), "{line}: {} lacks {expected}", said.err);
        assert!(said.err.contains("the state of epoch 1 is intact in"), "{}", said.err);
        let state = state_is_of(&place, out, 1);
        assert_eq!(place.run(&line).code, Some(7), "it diverges again");
        assert_eq!(state_is_of(&place, out, 1), state, "the state is untouched");
        assert!(!place.path(out).exists());
    };
    let leaps = "the loss is NaN (learning rate 50000";
    check(&format!("{TRAIN} --batch 32 {LEAP}"), "a", leaps);
    check(&format!("{tune} --batch 32 {LEAP}"), "b", leaps);
    let at_once = format!("{TRAIN} --batch 100 {LEAP}");
    check(&at_once, "c", "the validation loss is NaN in epoch 2 after 1 steps");
    check(&at_once.replace("1e30", "1e60"), "d", " is not finite in epoch 2");
    let other = format!("{TRAIN} --batch 32 --epochs 3 --out a");
    let said = place.run(&other);
    assert_eq!(said.code, Some(3), "{}", said.err);
    assert!(said.err.contains("discard it with --fresh"), "{}", said.err);
    place.succeeds(&format!("{other} --fresh"));
}

#[test]
fn two_at_one_output() {
    let place = house();
    let line = format!("{TRAIN} --epochs 100000 --out out");
    let mut first = place.start(&line);
    let state = partial(&place, "out", names::STATE);
    let patience = Instant::now();
    while !state.exists() {
        assert!(first.runs() && patience.elapsed() < Duration::from_mins(1), "no state");
        std::thread::sleep(Duration::from_millis(10));
    }
    for other in [&line, &format!("{line} --seed 7"), &format!("{line} --fresh")] {
        let said = place.run(other);
        assert_eq!(said.code, Some(8), "{other}: {}", said.err);
        assert!(said.err.contains("another process is writing here; wait for it"), "{}", said.err);
    }
    first.signal("INT");
    let said = first.wait();
    assert_eq!(said.code, Some(75), "the first was not disturbed: {}", said.err);
    assert!(said.err.contains("run the same command again to go on"), "{}", said.err);
}

#[test]
fn a_state_that_was_damaged() {
    let place = house();
    let line = format!("{TRAIN} --epochs 3 --out out");
    let said = place.run(&format!("{line} {LEAP}"));
    assert_eq!(said.code, Some(7), "{}", said.err);
    let state = partial(&place, "out", names::STATE);
    let bytes = file::read(&state).expect("reads");
    file::write(&state, &bytes[..bytes.len() / 2]).expect("writes");
    let line = format!("{line} {LEAP}");
    place.refuses(&line, 5, "state.safetensors: not a whole safetensors file");
    place.refuses(&line, 5, "start over with --fresh");
}

/// A limit on the size of a file stops a write halfway, as a full disk does, without privileges.
#[test]
fn a_write_that_stops_halfway() {
    let place = house();
    let limited = |blocks: usize, line: &str| {
        let script = format!("ulimit -f {blocks}; exec \"$@\"");
        let said = in_shell(&place, &["env"], &script, line);
        assert_eq!(said.code, Some(6), "{line}: {}", said.err);
        assert!(said.err.contains("cannot be written: File too large"), "{}", said.err);
    };
    let before = place.listing();
    limited(40, "data-cifar synth --train 100 --test 20 --out other");
    assert_eq!(place.listing(), before, "a dataset that did not fit leaves nothing");
    let line = format!("{TRAIN} --epochs 2 --out out");
    limited(40, &line);
    let temporary = partial(&place, "out", ".state.safetensors.tmp");
    assert!(!place.path("out").exists() && !temporary.exists());
    place.succeeds(&line);
    place.succeeds(&line.replace("--out out", "--out whole"));
    let model = |out: &str| place.bytes(&format!("{out}/{}", names::MODEL));
    assert_eq!(model("out"), model("whole"), "with space again it goes on to the same bytes");
}

/// More memory than there is: told before anything is allocated, and where that was not foreseen, by
/// the allocator.
#[test]
fn memory_that_does_not_suffice() {
    let place = house();
    place.refuses(
        &format!("{TRAIN} --side 100000 --out out"),
        6,
        "not even a batch of 16 would fit",
    );
    let line = format!("{TRAIN} --epochs 1 --out out");
    let said = in_shell(&place, &["env"], "ulimit -v 60000; exec \"$@\"", &line);
    assert_eq!(said.code, Some(6), "{}", said.err);
    assert!(said.err.contains("error: "), "{}", said.err);
}

/// The same on a file system that is really full, where this user may mount one.
#[test]
fn a_disk_that_fills_up() {
    let place = house();
    place.write("full/.keep", b"");
    let mount = "mount -t tmpfs -o size=192k none full || exit 99; ";
    let unshare = ["unshare", "-rm"];
    let probe = Command::new("unshare").args(["-rm", "true"]).status();
    if !probe.is_ok_and(|s| s.success()) {
        eprintln!("no file system can be mounted here; a_write_that_stops_halfway stands for it");
        return;
    }
    let check = |line: &str| {
        let script = format!("{mount}\"$@\"; code=$?; ls -A full; exit $code");
        let said = in_shell(&place, &unshare, &script, line);
        if said.code == Some(99) {
            eprintln!("no file system can be mounted here: {}", said.err);
            return;
        }
        assert_eq!((said.code, said.out.as_str()), (Some(6), ""), "{line}: {}", said.err);
        assert!(said.err.contains("No space left on device"), "{}", said.err);
    };
    check("data-cifar synth --train 100 --test 20 --out full/data");
    check(&format!("{TRAIN} --epochs 1 --out full/out"));
}

#[test]
fn a_reader_that_cannot_take_the_answer() {
    let place = Place::new();
    let said = in_shell(&place, &["env"], "exec \"$@\" > /dev/full", "models list");
    assert_eq!(said.code, Some(6), "{}", said.err);
    assert!(said.err.contains("stdout cannot be written"), "{}", said.err);
    let said = in_shell(&place, &["env"], "\"$@\" | true", "models summary resnet18");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "a closed pipe is a normal end");
}
