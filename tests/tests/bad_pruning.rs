//! Pruning methods and teachers that do not fit: exit code, what is said; and nothing is written.

use house_tests::{Place, copy, resealed};

const TRAIN: &str = "trainer --data data --network vgg-lab@0.0625 --epochs 1 --out out";
const TUNE: &str = "finetuner --data data --epochs 1 --out out --checkpoint";
const PRUNE: &str = "pruner --sparsity 0.9 --out out --checkpoint";

/// A dataset of 90 training images, a dense checkpoint of it, and a pruned one.
fn house() -> Place {
    let place = Place::new();
    place.succeeds("data-cifar synth --train 100 --test 20 --out data");
    place.succeeds(&TRAIN.replace("--out out", "--out dense"));
    place.succeeds("pruner --checkpoint dense --sparsity 0.5 --out pruned");
    place
}

/// Each command, its exit code, and part of what it says.
fn refused(place: &Place, cases: &[(&str, i32, &str)]) {
    for (line, code, expected) in cases {
        place.refuses(line, *code, expected);
    }
}

#[test]
fn scores_of_another_kind_or_checkpoint() {
    let place = house();
    place.succeeds(
        "scanner scores --checkpoint dense --data data --score taylor --images 4 --out taylor",
    );
    place.succeeds(&TRAIN.replace("--out out", "--seed 7 --out other"));
    let prune = |more: &str| format!("{PRUNE} {more}");
    let scores =
        |more: &str| format!("scanner scores --checkpoint dense --data data --out out {more}");
    refused(
        &place,
        &[
            (&prune("dense --score taylor"), 3, "run scanner scores --score taylor, and give"),
            (
                &prune("dense --score fisher --scores taylor"),
                3,
                "has taylor scores; expected fisher",
            ),
            (&prune("dense --score magnitude --scores taylor"), 3, "which is not measured"),
            (
                &prune("other --score taylor --scores taylor"),
                3,
                "was measured on another checkpoint",
            ),
            (
                &prune("dense --score taylor --scores data"),
                3,
                "made by data-cifar; expected an artifact",
            ),
            (&prune("dense --score taylor --scores nowhere"), 4, "nowhere: no such folder"),
            (&prune("dense --structure 2:4"), 3, "--sparsity 0.9: --structure 2:4 prunes 0.5 of"),
            (
                &prune("dense --structure 2:4 --allocation erk"),
                3,
                "--allocation erk: has no effect",
            ),
            (&prune("dense --structure 4:4"), 2, "invalid value '4:4'"),
            (&scores("--score random"), 3, "--score random: needs no images; pruner computes it"),
            (&scores("--score wanda --batch 2"), 3, "--batch: has no effect with --score wanda"),
            (&scores("--score taylor --images 0"), 2, "0 is not in 1.."),
        ],
    );
    place.succeeds(
        "pruner --checkpoint dense --sparsity 0.9 --score taylor --scores taylor --out by-taylor",
    );
}

#[test]
fn schedules_that_do_not_fit_and_teachers_of_other_networks() {
    let place = house();
    let train = |more: &str| format!("{TRAIN} --batch 5 {more}");
    // 18 steps: 90 images in batches of 5.
    let prune = |more: &str| train(&format!("--prune gradual --sparsity 0.9 {more}"));
    place.succeeds("trainer --data data --network vgg-lab@0.03 --side 16 --epochs 1 --out small");
    copy(&place.path("dense"), &place.path("renamed"));
    resealed(&place.path("renamed"), |keys| {
        let network = keys["network"].as_mapping_mut().expect("a network");
        network["class_names"].as_sequence_mut().expect("names").swap(0, 1);
    });
    refused(
        &place,
        &[
            (&train("--prune gradual"), 2, "--sparsity <S>"),
            (
                &train("--sparsity 0.9"),
                3,
                "--sparsity: has no effect by itself; it belongs to --prune",
            ),
            (&train("--prune gradul --sparsity 0.9"), 2, "similar value exists: 'gradual'"),
            (
                &prune("--prune-until 0.9 --prune-every 50"),
                3,
                "--prune-every 50: pruning takes 14 steps",
            ),
            (&prune("--prune-every 1epoch"), 3, "so that no change comes between; expected 1 to 8"),
            (
                &prune("--prune-every 2 --prune-from 0.7"),
                3,
                "ends at step 11 and begins at step 13, of 18",
            ),
            (
                &train("--prune one-shot --sparsity 0.9 --prune-from 0.99"),
                3,
                "the masks change for the last time at step 18, and the training ends after 18 steps",
            ),
            (
                &train("--prune rigl --sparsity 0.9 --prune-every 0epochs"),
                3,
                "--prune-every 0: expected",
            ),
            (
                &train("--prune rigl --sparsity 0.9 --prune-until 0"),
                3,
                "ends at step 0 and begins at",
            ),
            (&prune("--prune-every 2 --freeze *.weight"), 3, "leave no weight to prune"),
            (
                &prune("--prune-every 2 --structure 2:4"),
                3,
                "2:4 prunes 0.5 of every group; say 0.5",
            ),
            (&prune("--prune-every 2 --score taylor"), 3, "expected magnitude or random"),
            (&prune("--prune-every 2 --prune-replace 0.2"), 3, "it belongs to --prune rigl"),
            (&prune("--prune-every 2 --min-density 0.5"), 3, "floors let"),
            (&prune("--prune-every 2 --exclude conv"), 3, "has no such prunable parameter"),
            (
                &format!("{TUNE} pruned --batch 5 --prune gradual --prune-every 2 --sparsity 0.4"),
                3,
                "--sparsity 0.4: 0.5000 is pruned already",
            ),
            (
                &format!(
                    "{TUNE} dense --batch 5 --prune gradual --prune-every 2 --sparsity 0.9 --quantise"
                ),
                3,
                "prune first, then fine-tune the result with it",
            ),
            (&train("--teacher nowhere"), 4, "nowhere: no such folder"),
            (&train("--teacher data"), 3, "made by data-cifar, whose artifact holds no network"),
            (&train("--teacher small"), 3, "takes images of 3x16x16; the training's are 3x32x32"),
            (
                &train("--teacher renamed"),
                3,
                "class 0 of vgg-lab@0.0625 is ring, of the training disc",
            ),
            (&train("--alpha 0.5"), 3, "--alpha: has no effect by itself; it belongs to --teacher"),
            (&train("--teacher dense --temperature 0"), 2, "expected a number over 0"),
        ],
    );
}
