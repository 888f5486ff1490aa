//! The report end to end, on chains of small artifacts.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

mod common;

use artifact::{Manifest, file, names, yaml};
use common::run::{holds, keep, page, reporter, world};

#[test]
fn one_run_with_its_scan() {
    let (_folder, world) = world("vgg-lab@0.125");
    world.tuned("tuned", "dense", 0.9);
    let html = page(&world, "tuned scan");
    keep(&world, "one");
    holds(&html, &["of the weights pruned; 93.1\u{a0}%", "points); ideal size"]);
    holds(&html, &["<td>93.10 %</td>", "recalibrated", "backbone.conv7.weight", "unchanged"]);
    holds(
        &html,
        &["Sensitivity of each layer", "class=\"bar\"", "are zero", "prefers-color-scheme"],
    );
    let manifest = Manifest::read(&world.path("r")).expect("complete");
    let listed: Vec<&str> = manifest.outputs.iter().map(|o| o.file.as_str()).collect();
    for name in ["parameters", "weights", "weights-with-zeros", "sensitivity", "training-1"] {
        for end in ["svg", "csv"] {
            let file = format!("plots/{name}.{end}");
            assert!(listed.contains(&file.as_str()), "{file} is not in {listed:?}");
        }
    }
    let (code, ..) = reporter(&world.root, "--out r tuned scan");
    assert_eq!(code, 0, "made again: nothing to do");
}

#[test]
fn a_sweep_shows_accuracy_against_sparsity() {
    let (_folder, world) = world("resnet18@0.0625");
    for (name, sparsity) in [("s50", 0.5), ("s75", 0.75), ("s90", 0.9), ("s97", 0.97)] {
        world.tuned(name, "dense", sparsity);
    }
    let html = page(&world, "s50 s75 s90 s97 scan --title <b>Sweep</b>");
    keep(&world, "sweep");
    holds(
        &html,
        &["&lt;b&gt;Sweep&lt;&#x2f;b&gt;", "Accuracy against sparsity", "Of 4 pruned networks"],
    );
    let csv = file::read_text(&world.path("r/plots/accuracy-against-sparsity.csv")).expect("csv");
    assert_eq!(csv.lines().count(), 5, "{csv}");
}

#[test]
fn a_network_pruned_in_training_is_held_against_the_dense_one_beside_it() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.sparse_trainer("sparse", 0.9);
    let html = page(&world, "sparse dense");
    keep(&world, "sparse");
    holds(&html, &[">pruned in training</th>", ">dense</th>", "points against 93.1"]);
    holds(&html, &["pruned by magnitude (erk, in blocks of four, gradual)"]);
    // Alone there is nothing to hold it against.
    let html = page(&world, "sparse --fresh");
    holds(&html, &["92.7\u{a0}% test accuracy; ideal size"]);
}

#[test]
fn rounds_are_walked_back_to_the_dense_run() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("round-1", "dense", 0.5);
    world.tuned("round-2", "round-1", 0.8);
    let html = page(&world, "round-2");
    keep(&world, "rounds");
    holds(&html, &["Accuracy against sparsity", "<h3>data-cifar", "pruned-round-1", ">dense</th>"]);
}

#[test]
fn what_was_tuned_before_is_not_called_pruned() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("round-1", "dense", 0.5);
    world.tuned("round-2", "round-1", 0.8);
    world.finetuner("final", "round-2", 0.8);
    let html = page(&world, "final");
    holds(
        &html,
        &["pruned in 2 rounds; ", ">round 1, fine-tuned</th>", ">round 2, fine-tuned</th>"],
    );
    let states = ["as it came</th>", "recalibrated</th>", "before fine-tuning</th>"];
    assert!(states.iter().all(|s| !html.contains(s)), "the last one came tuned");
    let csv = file::read_text(&world.path("r/plots/accuracy-against-sparsity.csv")).expect("csv");
    let line = |name: &str| csv.lines().find(|l| l.starts_with(name)).expect("a point").to_owned();
    assert!(line("final,").contains(",,,") && !line("round-2,").contains(",,"), "{csv}");
    // Asked for as well, a round has its own group and does not come twice.
    let html = page(&world, "--fresh round-2 final");
    holds(&html, &["as it came</th>", "recalibrated</th>", ">round 1, fine-tuned</th>"]);
    assert!(!html.contains(">round 2, fine-tuned</th>"));
    // Where nothing says what came, the page does not either.
    std::fs::remove_dir_all(world.path("round-2")).expect("was there");
    holds(&page(&world, "--fresh final"), &["before fine-tuning</th>", ">fine-tuned</th>"]);
}

#[test]
fn steps_without_the_later_ones_have_a_page_too() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.pruner("pruned", "dense", 0.7);
    let check = |arguments: &str, expected: &[&str]| {
        holds(&page(&world, &format!("--fresh {arguments}")), expected);
    };
    check("dense", &["A dense network of", "none of", "Training, dense (trainer)"]);
    check("pruned", &["not yet fine-tuned", "<td>93.10 %</td>", ">pruned</th>"]);
    check("scan", &["The most sensitive layer is backbone.conv0.weight"]);
    check("dense pruned", &["not yet fine-tuned"]);
}

#[test]
fn scans_of_one_point_or_of_no_effect_are_drawn() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.scan(|_, _| 0.93);
    holds(&page(&world, "scan"), &["at most 0.0 points lost"]);
    world.scan_at(&[0.5], |_, _| 0.4);
    holds(&page(&world, "--fresh scan"), &["at most 53.0 points lost, at 50 %"]);
    world.scan_at(&[], |_, _| 0.0);
    holds(&page(&world, "--fresh scan"), &["An empty scan", "not scanned"]);
}

#[test]
fn an_input_made_again_is_shown_and_not_fatal() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("tuned", "dense", 0.9);
    let path = world.path("data").join(names::MANIFEST);
    let made = Manifest::read(&world.path("data")).expect("complete");
    yaml::write_sealed(&path, &Manifest { seed: 43, ..made }).expect("writes");
    holds(&page(&world, "tuned"), &["changed since", "no longer what was read"]);
    std::fs::remove_file(&path).expect("was there");
    holds(&page(&world, "--fresh tuned"), &["not found"]);
}

#[test]
fn bad_inputs_are_refused_and_nothing_is_written() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("tuned", "dense", 0.9);
    let check = |arguments: &str, code: i32, expected: &str| {
        let (found, _, stderr) = reporter(&world.root, arguments);
        assert_eq!(found, code, "{arguments}: {stderr}");
        assert!(stderr.contains(expected), "{stderr} lacks {expected}");
        assert!(!world.path("r").exists());
    };
    check("--out r nowhere", 4, "no such folder");
    check("--out r data", 3, "an artifact of data-cifar; expected one of trainer");
    check("--out r", 2, "FOLDER");
    check("list nowhere", 4, "nowhere");
    let model = world.path("tuned").join(names::MODEL);
    let whole = file::read(&model).expect("reads");
    file::write(&model, &whole[..whole.len() - 1]).expect("writes");
    check("--out r tuned", 5, "make the artifact again");
    file::write(&model, &whole).expect("writes");
    let manifest = world.path("tuned").join(names::MANIFEST);
    let mut changed = Manifest::read(&world.path("tuned")).expect("complete");
    let result = changed.result.as_mapping_mut().expect("a record");
    let scores = result.remove("pruned_as_is").expect("scores");
    result.insert("pruned_as_was".into(), scores);
    yaml::write_sealed(&manifest, &changed).expect("writes");
    check("--out r tuned", 3, "pruned_as_was");
}

#[test]
fn revived_weights_are_found() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("tuned", "dense", 0.9);
    let dense = file::read(&world.path("dense").join(names::MODEL)).expect("reads");
    let model = world.path("tuned").join(names::MODEL);
    file::write(&model, &dense).expect("writes");
    let path = world.path("tuned");
    let mut manifest = Manifest::read(&path).expect("complete");
    let files: Vec<String> = manifest.outputs.iter().map(|o| o.file.clone()).collect();
    manifest.outputs = artifact::manifest::describe(&path, &files).expect("describes");
    yaml::write_sealed(&path.join(names::MANIFEST), &manifest).expect("writes");
    let (code, _, stderr) = reporter(&world.root, "--out r tuned");
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("0 zeros; the manifest says"), "{stderr}");
}

#[test]
fn the_list_finds_every_artifact() {
    let (_folder, world) = world("vgg-lab@0.0625");
    world.tuned("tuned", "dense", 0.9);
    let (code, stdout, _) = reporter(&world.root, "list .");
    assert_eq!(code, 0);
    holds(&stdout, &["pruned-tuned", "finetuner", "vgg-lab@0.0625", "93.10 %"]);
    let (_, json, _) = reporter(&world.root, "list . --json");
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(rows.as_array().expect("a list").len(), 5);
    assert_eq!(rows[1]["accuracy"], 0.931);
    assert!(rows[0]["sparsity"].is_null());
    let long = "a-sweep-of-many-sparsities-and-of-many-seeds-at-ninety-nine-point-nine";
    world.pruner(long, "dense", 0.5);
    let (_, stdout, _) = reporter(&world.root, "list .");
    let widest = stdout.lines().map(|l| l.chars().count()).max();
    assert!(widest <= Some(80), "{stdout}");
    holds(&stdout, &["…", "pruned-tuned "]);
    let (_, json, _) = reporter(&world.root, "list . --json");
    holds(&json, &[long]);
    let broken = world.path("scan").join(names::MANIFEST);
    file::write(&broken, b"format: 1\nformat: 1\n").expect("writes");
    let (code, stdout, stderr) = reporter(&world.root, "list .");
    assert!(code == 0 && stderr.contains("left out") && !stdout.contains("scanner"), "{stderr}");
}
