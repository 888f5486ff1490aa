//! The default command on real checkpoints.
#![allow(clippy::disallowed_methods, reason = "tests look at the disk as it is")]

mod common;

use common::{Place, SMALL, pruned, weights};

#[test]
fn global_pruning_takes_exactly_the_smallest() {
    let place = Place::new();
    let dense = weights(&place.dense("dense", SMALL));
    let (checkpoint, result) = place.pruned("--checkpoint dense --sparsity 0.9", "out");
    let found = weights(&checkpoint);
    let k = (0.9 * dense.len() as f64).round() as usize;
    assert_eq!(pruned(&checkpoint), k);

    let mut order: Vec<usize> = (0..dense.len()).collect();
    order.sort_by(|&a, &b| dense[a].0.abs().total_cmp(&dense[b].0.abs()).then(a.cmp(&b)));
    for (rank, &i) in order.iter().enumerate() {
        let expected = if rank < k { 0.0_f32 } else { dense[i].0 };
        assert_eq!((found[i].0.to_bits(), found[i].1), (expected.to_bits(), rank >= k), "{i}");
    }
    assert_eq!(result.sparsity.pruned as usize, k);
    assert_eq!(result.sparsity.of_prunable, k as f64 / dense.len() as f64);
    assert_eq!(result.layers.iter().map(|l| l.pruned).sum::<u64>() as usize, k);
    assert_eq!(result.sizes.ideal, result.sparsity.nonzero * 4);
    assert!(result.sizes.zstd < result.sizes.file / 4, "{:?}", result.sizes);
    assert_eq!(
        (result.allocation.as_str(), result.target, result.round),
        ("global", Some(0.9), None)
    );
    let reason = &result.layers[7].reason;
    assert!(
        reason.starts_with("global magnitude: ") && reason.contains(" 90 % of all, scores up to "),
        "{reason}"
    );
    assert_eq!(checkpoint.manifest.inputs[0].path, "../dense");
}

#[test]
fn blocks_go_as_a_whole_and_exactly_k_of_them() {
    let place = Place::new();
    let dense = place.dense("dense", "efficientnet-b0@0.1");
    let line = "--checkpoint dense --sparsity 0.7 --structure block4";
    let (checkpoint, result) = place.pruned(line, "out");
    assert_eq!((result.structure.as_str(), result.allocation.as_str()), ("block4", "global"));
    let (mut norms, mut gone, mut grouped): (Vec<f32>, Vec<bool>, usize) = (vec![], vec![], 0);
    for (param, layer) in checkpoint.graph.prunable().zip(&result.layers) {
        let (outputs, inputs) = (param.shape[0], param.shape[1]);
        let taps = param.fan_in() / inputs;
        let values = dense.values(&param.name);
        if layer.reason.starts_with("left as it is: a convolution in") {
            // Depthwise convolutions stay whole.
            assert!(inputs == 1 && layer.pruned == 0, "{}", layer.reason);
            grouped += 1;
            continue;
        }
        let mask = checkpoint.masks.get(&param.name);
        for (o, i, t) in blocks(outputs, inputs, taps) {
            let own = (i..(i + 4).min(inputs)).map(|i| (o * inputs + i) * taps + t);
            let pruned = own.clone().filter(|at| mask.is_some_and(|m| !m.kept()[*at])).count();
            assert!(pruned == 0 || pruned == own.len(), "{}: part of a block", param.name);
            norms.push(own.map(|at| values[at].abs()).sum::<f32>());
            gone.push(pruned > 0);
        }
    }
    assert_eq!(grouped, 16);
    let mut order: Vec<usize> = (0..norms.len()).collect();
    order.sort_by(|a, b| norms[*a].total_cmp(&norms[*b]).then(a.cmp(b)));
    let k = (0.7_f64 * norms.len() as f64).round() as usize;
    for (rank, block) in order.into_iter().enumerate() {
        assert_eq!(gone[block], rank < k, "block {block}, rank {rank}");
    }
    // A plan that prunes a layer without blocks is refused.
    let named = checkpoint.graph.prunable().find(|p| p.shape[1] == 1).expect("depthwise");
    place.write("plan.yaml", &format!("layers: {{{}: 0.5}}", named.name));
    let line = "--checkpoint dense --out new --plan plan.yaml --structure block4";
    place.refuses(line, 3, "groups has no blocks of four input channels");
}

fn blocks(
    outputs: usize,
    inputs: usize,
    taps: usize,
) -> impl Iterator<Item = (usize, usize, usize)> {
    let rows = (0..outputs).flat_map(move |o| (0..inputs).step_by(4).map(move |i| (o, i)));
    rows.flat_map(move |(o, i)| (0..taps).map(move |t| (o, i, t)))
}

#[test]
fn a_second_run_does_nothing_and_another_target_is_refused() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let line = "--checkpoint dense --out out --sparsity";
    let first = place.pruner(&format!("{line} 0.5"));
    assert!(first.err.contains("\nbackbone.conv7.weight "), "{}", first.err);
    assert!(first.err.contains("4,148 of 8,295 weights (50.01 %)"), "{}", first.err);
    assert_eq!(first.out, "out/manifest.yaml\n");
    let manifest = place.read("out/manifest.yaml");
    let again = place.pruner(&format!("{line} 0.5"));
    assert!(again.code == 0 && again.out.ends_with("out/manifest.yaml\n"), "{}", again.out);
    assert!(again.err.contains("already done"), "{}", again.err);
    place.refuses(&format!("{line} 0.6"), 3, "sparsity: 0.5 where 0.6 is asked for");
    assert_eq!(place.read("out/manifest.yaml"), manifest);
    let dry = place.pruner("--checkpoint dense --out new --sparsity 0.5 --dry-run");
    assert!(dry.out.contains("sparsity: 0.5") && !place.path("new").exists(), "{}", dry.out);
    let quiet = place.pruner("--checkpoint dense --out new --sparsity 0.5 -q --json");
    assert!(quiet.err.is_empty() && quiet.out.starts_with('{'), "{}", quiet.err);
}

#[test]
fn rounds_only_grow_the_masks_and_the_last_hits_the_target() {
    let place = Place::new();
    let total = weights(&place.dense("round-0", SMALL)).len();
    let rounds = place.pruner("rounds --sparsity 0.8 --rate 0.3").out;
    assert_eq!(rounds, "5\n");
    let mut before = vec![true; total];
    for round in 1..=5 {
        let line =
            format!("--checkpoint round-{} --sparsity 0.8 --rate 0.3 --bias-entries 3", round - 1);
        let (checkpoint, result) = place.pruned(&line, &format!("round-{round}"));
        let kept: Vec<bool> = weights(&checkpoint).iter().map(|w| w.1).collect();
        assert!(kept.iter().zip(&before).all(|(now, then)| *then || !now), "round {round}");
        let gone = kept.iter().filter(|k| !**k).count();
        let remained = before.iter().filter(|k| **k).count();
        let more = gone - (total - remained);
        assert!(round == 5 || more == (0.3 * remained as f64).ceil() as usize, "{round}: {more}");
        assert_eq!((result.round, result.bias_pruned), (Some(round), 3));
        let name = format!("round {round} of 5, global magnitude: ");
        assert!(result.layers[0].reason.starts_with(&name), "{}", result.layers[0].reason);
        before = kept;
    }
    let gone = before.iter().filter(|k| !**k).count();
    assert_eq!(gone, (0.8 * total as f64).round() as usize);
    let line = "--checkpoint round-5 --out less --sparsity 0.5";
    place.refuses(line, 3, "weights are pruned already");
}

#[test]
fn biases_lose_their_smallest_entries() {
    let place = Place::new();
    let dense = place.dense("dense", SMALL);
    let line = "--checkpoint dense --sparsity 0.5 --bias-entries 3";
    let (checkpoint, result) = place.pruned(line, "out");
    let mut order: Vec<usize> = (0..10).collect();
    let bias = dense.values("classifier.bias");
    order.sort_by(|&a, &b| bias[a].abs().total_cmp(&bias[b].abs()));
    let mask = checkpoint.masks.get("classifier.bias").expect("masked");
    assert!((0..10).all(|i| mask.kept()[i] == order[3..].contains(&i)));
    let s = result.sparsity;
    assert_eq!(s.pruned, result.layers.iter().map(|l| l.pruned).sum::<u64>() + 3);
    assert_eq!(s.of_prunable, (s.pruned - 3) as f64 / s.prunable as f64);
    // The initial norm biases are zero as well, and are counted.
    let norms: usize = (0..8).map(|i| dense.values(&format!("backbone.bn{i}.bias")).len()).sum();
    assert_eq!(s.parameters - s.nonzero, s.pruned + norms as u64);
    let line = "--checkpoint dense --out more --sparsity 0.5 --bias-entries 11";
    place.refuses(line, 3, "classifier.bias: 11 weights are to be pruned where there are 10");
}

#[test]
fn layers_alone_and_exclusions() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let line = "--checkpoint dense --sparsity 0.7 --exclude *.conv0.*,classifier.*";
    let (_, layer) =
        place.pruned(&format!("{line} --allocation uniform --bias-entries 1"), "layer");
    assert_eq!((layer.allocation.as_str(), layer.bias_pruned), ("uniform", 0));
    for (i, l) in layer.layers.iter().enumerate() {
        let expected = if i % 8 == 0 { 0.0 } else { (0.7 * l.weights as f64).round() };
        assert_eq!((l.pruned as f64, l.reason == "excluded"), (expected, i % 8 == 0), "{}", l.name);
    }
    let (_, global) = place.pruned(line, "global");
    let ends = [&global.layers[0], &global.layers[8]];
    assert_eq!(ends.map(|l| (l.pruned, l.reason.as_str())), [(0, "excluded"); 2]);
    let s = global.sparsity;
    assert_eq!(s.pruned as f64, (0.7 * s.prunable as f64).round());
    let line = "--checkpoint dense --out x --sparsity 0.7 --exclude backbone.*";
    place.refuses(line, 3, "ask for less sparsity or exclude fewer layers");
    let line = "--checkpoint dense --out x --sparsity 0.7 --exclude clasifier.weight";
    place.refuses(line, 3, "did you mean classifier.weight?");
}

#[test]
fn allocations_are_exact_and_say_what_decided() {
    let place = Place::new();
    let dense = weights(&place.dense("dense", SMALL));
    for (allocation, reason) in [("lamp", "LAMP of magnitude: "), ("erk", "ERK")] {
        let line = format!("--checkpoint dense --sparsity 0.9 --allocation {allocation}");
        let (checkpoint, result) = place.pruned(&line, allocation);
        assert_eq!(pruned(&checkpoint), (0.9 * dense.len() as f64).round() as usize);
        assert_eq!(result.allocation, allocation);
        for layer in &result.layers {
            assert!(layer.reason.starts_with(reason), "{}", layer.reason);
        }
        // Both keep more of small layers than the whole network has left.
        assert!(result.layers[0].sparsity < 0.9 && result.layers[8].sparsity < 0.9, "{allocation}");
        // Round by round to the same sparsity; what is gone stays gone.
        let mut from = "dense".to_owned();
        for round in 1..=3 {
            let out = format!("{allocation}-{round}");
            let line =
                format!("--checkpoint {from} --sparsity 0.8 --rate 0.45 --allocation {allocation}");
            let (_, result) = place.pruned(&line, &out);
            assert_eq!(result.round, Some(round));
            from = out;
        }
        let last = sparsity::Checkpoint::open(&place.path(&from)).expect("a sound artifact");
        assert_eq!(pruned(&last), (0.8 * dense.len() as f64).round() as usize);
    }
    let (_, blocks) = place
        .pruned("--checkpoint dense --sparsity 0.6 --allocation erk --structure block4", "blocks");
    assert!(
        blocks.layers[5].reason.contains("of its blocks of four"),
        "{}",
        blocks.layers[5].reason
    );
}

#[test]
fn floors_hold_and_others_go_in_their_place() {
    let place = Place::new();
    let total = weights(&place.dense("dense", SMALL)).len();
    for allocation in ["global", "uniform", "lamp", "erk"] {
        let line = format!("--checkpoint dense --sparsity 0.9 --allocation {allocation}");
        let (_, free) = place.pruned(&line, &format!("{allocation}-free"));
        let line = format!("{line} --keep-at-least 40 --min-density 0.08");
        let (checkpoint, held) = place.pruned(&line, &format!("{allocation}-held"));
        let gone: u64 = free.layers.iter().map(|layer| layer.pruned).sum();
        assert_eq!(pruned(&checkpoint) as u64, gone, "{allocation}");
        let mut at_floor = 0;
        for layer in &held.layers {
            let floor = 40.max((0.08 * layer.weights as f64).ceil() as u64);
            assert!(layer.kept >= floor, "{allocation}: {} keeps {}", layer.name, layer.kept);
            let says = layer.reason.ends_with(", held by its floor");
            assert_eq!(says, layer.kept == floor, "{}", layer.reason);
            at_floor += usize::from(says);
        }
        assert!(at_floor > 0, "{allocation}");
    }
    let line = "--checkpoint dense --out x --sparsity 0.95 --min-density 0.1";
    place.refuses(line, 3, &format!("of {total} weights are to be pruned, and floors let "));
    place.refuses(
        "--checkpoint dense --out x --sparsity 0.5 --min-density 10",
        2,
        "for 10 % say 0.1",
    );
    let line = "--checkpoint dense --out x --sparsity 0.5 --allocation lump";
    place.refuses(line, 2, "[possible values: global, uniform, lamp, erk]");
    place.write("plan.yaml", "layers: {backbone.conv3.weight: 0.9}\n");
    let line = "--checkpoint dense --out x --plan plan.yaml --min-density 0.2";
    place.refuses(line, 3, "backbone.conv3.weight: ");
}

#[test]
fn random_pruning_follows_the_seed_alone() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let line = "--checkpoint dense --sparsity 0.5 --score random --seed";
    let masks = |seed: u32, out: &str, threads: u32| {
        let (checkpoint, result) = place.pruned(&format!("{line} {seed} --threads {threads}"), out);
        assert_eq!(result.score, "random");
        checkpoint.masks
    };
    let first = masks(1, "a", 1);
    assert_eq!(first, masks(1, "b", 2));
    assert_ne!(first, masks(2, "c", 1));
}

#[test]
fn the_default_command_has_a_name_and_its_usage_fits() {
    let place = Place::new();
    place.dense("dense", SMALL);
    let (_, result) = place.pruned("prune --checkpoint dense --sparsity 0.5", "out");
    assert_eq!(result.target, Some(0.5));
    place.write("r.yaml", "pruner: {sparsity: 0.6}\n");
    let (_, result) = place.pruned("prune --checkpoint dense --recipe r.yaml", "other");
    assert_eq!(result.target, Some(0.6));
    let usage = place.pruner("-h").out;
    let usage: Vec<&str> = usage.lines().skip_while(|l| !l.starts_with("Usage")).take(3).collect();
    assert!(usage.iter().all(|l| l.chars().count() <= 80), "{usage:#?}");
    assert_eq!(usage[2], "       pruner <COMMAND>");
}

#[test]
fn recipes_set_flags() {
    let place = Place::new();
    place.dense("dense", SMALL);
    place.write(
        "r.yaml",
        "pruner: {sparsity: 0.6, exclude: [classifier.weight], allocation: uniform}\n",
    );
    let (_, result) = place.pruned("--checkpoint dense --recipe r.yaml", "out");
    assert_eq!((result.target, result.layers[8].pruned), (Some(0.6), 0));
    let (_, result) = place.pruned("--checkpoint dense --recipe r.yaml --sparsity 0.7", "more");
    assert_eq!((result.target, result.allocation.as_str()), (Some(0.7), "uniform"));
    assert_eq!(place.pruner("rounds --sparsity 0.5 --rate 0.5 --recipe r.yaml").out, "1\n");
}

#[test]
fn a_layer_without_weights_is_warned_of() {
    let place = Place::new();
    place.dense("dense", SMALL);
    place.write("plan.yaml", "layers: {backbone.conv3.weight: 1}\n");
    let said = place.pruner("--checkpoint dense --out out --plan plan.yaml -q");
    assert!(said.err.contains("backbone.conv3.weight: no weight is left"), "{}", said.err);
    let said = place.pruner("--checkpoint dense --out half --sparsity 0.5 -q");
    assert_eq!(said.err, "");
}
