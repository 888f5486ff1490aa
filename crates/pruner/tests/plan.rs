//! Plans: written from a scan, weighed, and carried out.

mod common;

use artifact::record::{Scan, ScanRow, Score};
use common::{Place, SMALL};
use graph::Graph;

/// A plan of ratios for conv0..7, as experiment E has them.
fn plan(ratios: &[f64; 8]) -> String {
    let lines: Vec<String> = ratios
        .iter()
        .enumerate()
        .map(|(i, ratio)| format!("  backbone.conv{i}.weight: {ratio}\n"))
        .collect();
    format!("layers:\n{}", lines.concat())
}

#[test]
fn sizes_of_experiment_e() {
    let place = Place::new();
    let check = |ratios: &[f64; 8], expected: &str| {
        place.write("plan.yaml", &plan(ratios));
        let said = place.pruner("size --network vgg-lab --plan plan.yaml");
        assert_eq!(said.out, format!("{expected}\n"), "{}", said.err);
    };
    check(&[0.0, 0.0, 0.0, 0.0, 0.30, 0.60, 0.60, 0.80], "15.85 MiB, 45.03 %");
    check(&[0.0, 0.0, 0.70, 0.65, 0.60, 0.65, 0.75, 0.90], "9.55 MiB, 27.14 %");
    check(&[0.0, 0.0, 0.0, 0.65, 0.60, 0.65, 0.75, 0.90], "10.34 MiB, 29.37 %");
    check(&[0.0; 8], "35.20 MiB, 100.00 %");
    place.write("plan.yaml", &plan(&[0.0; 8]));
    let json = place.pruner("size --network vgg-lab --plan plan.yaml --json").out;
    for part in ["\"ideal_mib\": 35.2", "\"share_percent\": 100.0", "\"nonzero\": 9228362"] {
        assert!(json.contains(part), "{json} lacks {part}");
    }
}

#[test]
fn a_plan_is_carried_out_layer_by_layer() {
    let place = Place::new();
    place.dense("dense", SMALL);
    place.write("plan.yaml", &plan(&[0.0, 0.0, 0.70, 0.65, 0.60, 0.65, 0.75, 1.0]));
    let (checkpoint, result) = place.pruned("--checkpoint dense --plan plan.yaml", "out");
    let ratios = [0.0, 0.0, 0.70, 0.65, 0.60, 0.65, 0.75, 1.0, 0.0];
    for (layer, ratio) in result.layers.iter().zip(ratios) {
        assert_eq!(layer.pruned as f64, (ratio * layer.weights as f64).round(), "{}", layer.name);
    }
    let reasons = [2, 8].map(|i| result.layers[i].reason.as_str());
    assert_eq!(reasons, ["plan: 0.70", "not in the plan"]);
    assert_eq!((result.allocation.as_str(), result.target), ("plan", None));
    let roles: Vec<&str> = checkpoint.manifest.inputs.iter().map(|i| i.role.as_str()).collect();
    assert_eq!(roles, ["checkpoint", "plan"]);
    // The next plan may only ask for more.
    place.write("less.yaml", &plan(&[0.0, 0.0, 0.70, 0.60, 0.60, 0.65, 0.75, 1.0]));
    let line = "--checkpoint out --out less --plan less.yaml";
    place.refuses(line, 3, "backbone.conv3.weight: ");
}

fn score(accuracy: f64) -> Score {
    Score { loss: 1.0, accuracy, correct: (accuracy * 100.0) as usize, images: 100 }
}

/// A scan of three layers: one that bears all, one that bears some, one that bears nothing.
fn scan() -> Scan {
    let drops = [
        ("backbone.conv0.weight", [0.05, 0.10]),
        ("backbone.conv1.weight", [0.02, 0.03]),
        ("backbone.conv7.weight", [-0.01, 0.00]),
    ];
    let row = |layer: &str, ratio, drop| ScanRow {
        layer: layer.into(),
        ratio,
        before: 0,
        pruned: 0,
        weights: 0,
        score: score(0.9 - drop),
        drop,
    };
    Scan {
        baseline: score(0.9),
        ratios: vec![0.4, 0.8],
        layers: drops.iter().map(|d| d.0.to_owned()).collect(),
        recalibration_images: 0,
        rows: drops
            .iter()
            .flat_map(|(layer, d)| [row(layer, 0.4, d[0]), row(layer, 0.8, d[1])])
            .collect(),
    }
}

#[test]
fn a_first_plan_comes_from_a_scan() {
    let place = Place::new();
    let graph = Graph::build(SMALL, 10, 32).expect("in the zoo");
    place.commit("scan", ("scanner", Some(&graph)), &scan(), |_| vec![]);
    let said = place.pruner("plan --from-scan scan --out plan.yaml");
    assert_eq!((said.code, said.out.as_str()), (0, "plan.yaml\n"), "{}", said.err);
    let expected = "\
# The share of each layer's weights to prune, for vgg-lab@0.03: a first plan from a scan.
# Each layer alone may lose 2.00 points of the validation accuracy of 90.00 %.
layers:
  # 5.00 points lost at 0.4, the smallest ratio scanned
  backbone.conv0.weight: 0
  # 2.00 points lost at 0.4; 3.00 points lost at 0.8
  backbone.conv1.weight: 0.4
  # 0.00 points lost at 0.8, the largest ratio scanned
  backbone.conv7.weight: 0.8
";
    assert_eq!(place.read("plan.yaml"), expected);

    place.dense("dense", SMALL);
    let (_, result) = place.pruned("--checkpoint dense --plan plan.yaml", "out");
    assert_eq!(
        [0, 1, 7].map(|i| &*result.layers[i].reason),
        ["plan: 0.00", "plan: 0.40", "plan: 0.80"]
    );
}

#[test]
fn a_share_of_what_is_left_goes_on_top_of_what_is_pruned() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let (half, _) = place.pruned("--checkpoint dense --sparsity 0.5 --allocation uniform", "half");
    let mut scan = scan();
    for row in &mut scan.rows {
        row.weights = half.graph.param(&row.layer).expect("in the network").count() as u64;
        let gone = half.masks.pruned_of(&row.layer);
        row.before = gone;
        row.pruned = gone + sparsity::weights(row.ratio, row.weights - gone);
    }
    place.commit("scan", ("scanner", Some(&half.graph)), &scan, |_| vec![]);
    let line = "plan --from-scan scan --beta *.conv0.*=0.4,*.conv1.*=0.8 --out plan.yaml";
    assert_eq!(place.pruner(line).code, 0);
    let text = place.read("plan.yaml");
    // 0.5 + 0.5 x 0.4, 0.5 + 0.5 x 0.8, and what no beta names stays.
    for expected in [
        "  # 0.5 + (1 - 0.5) x 0.4; 5.00 points lost at 0.7037\n  backbone.conv0.weight: 0.7\n",
        "  # 0.5 + (1 - 0.5) x 0.8; 3.00 points lost at 0.9028\n  backbone.conv1.weight: 0.9\n",
        "  backbone.conv7.weight: 0.5002\n",
    ] {
        assert!(text.contains(expected), "{text} lacks {expected}");
    }
    place.refuses("plan --from-scan scan --beta a*=0.1 --out p.yaml", 3, "no such layer");
    place.refuses("plan --from-scan scan --beta 30 --out p.yaml", 2, "for 30 % say 0.3");
}

#[test]
fn a_scan_of_a_pruned_network_gives_shares_of_all_weights() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let (half, _) = place.pruned("--checkpoint dense --sparsity 0.5 --allocation uniform", "half");
    let of = |name: &str| half.graph.param(name).expect("in the network").count() as u64;
    // As the scanner counts: what was pruned, and 0.4 or 0.8 of what was left.
    let mut scan = scan();
    for row in &mut scan.rows {
        row.weights = of(&row.layer);
        let gone = half.masks.pruned_of(&row.layer);
        row.before = gone;
        row.pruned = gone + sparsity::weights(row.ratio, row.weights - gone);
    }
    place.commit("scan", ("scanner", Some(&half.graph)), &scan, |_| vec![]);
    assert_eq!(place.pruner("plan --from-scan scan --out plan.yaml").code, 0);
    let (_, result) = place.pruned("--checkpoint half --plan plan.yaml", "more");
    for (layer, row) in [(1, 2), (7, 5)] {
        assert_eq!(result.layers[layer].pruned, scan.rows[row].pruned, "{layer}");
    }
    // What the plan does not prune stays as it came.
    let name = "backbone.conv0.weight";
    assert_eq!(result.layers[0].pruned, half.masks.pruned_of(name));
}

#[test]
fn a_plan_of_zeros_leaves_a_mask_file() {
    let place = Place::new();
    place.dense("dense", SMALL);
    place.write("plan.yaml", &plan(&[0.0; 8]));
    let (checkpoint, _) = place.pruned("--checkpoint dense --plan plan.yaml", "out");
    assert!(checkpoint.manifest.has(artifact::names::MASK) && checkpoint.masks.is_empty());
}

#[test]
fn an_edited_plan_is_not_overwritten() {
    let place = Place::new();
    place.commit("scan", ("scanner", None), &scan(), |_| vec![]);
    let line = "plan --from-scan scan --out plan.yaml";
    assert_eq!(place.pruner(line).code, 0);
    assert_eq!(place.pruner(line).code, 0, "the same plan again");
    place.write("plan.yaml", "layers: {}\n");
    place.refuses(line, 3, "overwrite it with --fresh");
    assert_eq!(place.read("plan.yaml"), "layers: {}\n");
    assert_eq!(place.pruner(&format!("{line} --fresh")).code, 0);
    place.refuses(&format!("{line} --max-drop 2"), 2, "for 2 % say 0.02");
    place.dense("dense", SMALL);
    place.refuses("plan --scan dense --out p.yaml", 3, "expected an artifact of the scanner");
}
