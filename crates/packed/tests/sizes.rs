//! Bytes of the whole file against the dense checkpoint, and how long reading it takes.

use artifact::Named;
use std::path::Path;
use std::time::{Duration, Instant};

use artifact::tensors::{self, Tensor, Tensors};
use graph::{Graph, Param, Role};
use packed::{Contents, Encode, Info, Options, Values, pack, unpack};
use sparsity::select::{self, Candidates};
use sparsity::{Masks, Structure, Units, magnitude, random, weights};

/// `ResNet-18` as He et al. (2015) start it, its norms as varied as training leaves them.
fn network() -> (Graph, Tensors) {
    let graph = Graph::build("resnet18", 10, 32).expect("in the zoo");
    let tensor = |p: &Param| {
        let mut stream = seed::stream(1, &p.name, 0);
        let mut draw = || match p.role {
            Role::Weight => (2.0 / p.fan_in() as f64).sqrt() * stream.normal(),
            Role::NormWeight | Role::RunningVar => stream.range(0.5, 1.5),
            _ => 0.1 * stream.normal(),
        };
        (p.name.clone(), Tensor::f32(&p.shape, (0..p.count()).map(|_| draw() as f32).collect()))
    };
    let tensors = graph.params().iter().map(tensor).collect();
    (graph, tensors)
}

/// Which weights are pruned.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// Any, a share of each layer.
    Chance,
    /// The smallest of each layer.
    Layer,
    /// The smallest of all.
    All,
    /// The smallest blocks of four of each layer.
    Blocks,
}

fn pruned(ratio: f64, by: By) -> Contents {
    let (graph, mut tensors) = network();
    let scores = |p: &Param| match by {
        By::Chance => random(&p.name, p.count(), 1),
        _ => magnitude(tensors[&p.name].as_f32().expect("f32")),
    };
    let structure = if by == By::Blocks { Structure::Block4 } else { Structure::Weight };
    let units: Vec<Units> =
        graph.prunable().map(|p| structure.units(&graph, p).expect("no groups")).collect();
    let sums = |(p, units): (&Param, &Units)| units.sums(&scores(p));
    let named: Vec<_> = graph
        .prunable()
        .zip(&units)
        .map(|(p, units)| (p.name.as_str(), sums((p, units))))
        .collect();
    let layers: Vec<Candidates> =
        named.iter().map(|(name, scores)| Candidates::new(name, scores, None)).collect();
    let count = |of: &[Candidates]| of.iter().map(|l| l.scores.len() as u64).sum();
    let select = |of: &[Candidates]| select::global(of, weights(ratio, count(of))).expect("fits");
    let found = match by {
        By::All => select(&layers),
        _ => layers.iter().flat_map(|layer| select(&[*layer])).collect(),
    };
    let mut masks = Masks::default();
    for (((name, _), mask), units) in named.iter().zip(found).zip(&units) {
        masks.insert(name, units.weight_mask(&mask, None));
    }
    masks.apply(&mut tensors);
    let info = Info {
        classes: (0..10).map(|i| format!("class {i}")).collect(),
        mean: vec![0.491_4, 0.482_2, 0.446_5],
        std: vec![0.247_0, 0.243_5, 0.261_6],
        checkpoint: "0".repeat(64),
    };
    Contents { graph, tensors, masks, info, integers: None }
}

/// Packs as every kind of values in its usual way (norms kept with f32, else folded) and holds each to
/// its target: times smaller than the dense file. `cargo test --release --test sizes -- --nocapture` prints the table.
fn check(ratio: f64, by: By, targets: [f64; 4]) -> Vec<usize> {
    let contents = pruned(ratio, by);
    let dense = tensors::encode(&contents.tensors, None).expect("encodes").len() as f64;
    let one = |(values, target): (Values, f64)| {
        let fold = values != Values::F32;
        let bytes = pack(&contents, &Options { values, encode: Encode::Auto, fold });
        let bytes = bytes.expect("packs");
        let found = dense / bytes.len() as f64;
        let time = (0..5).map(|_| time(&bytes)).min().expect("five");
        println!(
            "{ratio} {by:6?} {values:9} {:8} bytes {found:5.2} x, read in {time:.1?}",
            bytes.len()
        );
        assert!(found > target, "{values} at {ratio} by {by:?}: {found:.2} x, expected {target}");
        bytes.len()
    };
    Values::ALL.iter().copied().zip(targets).map(one).collect()
}

/// Blocks of the smallest weights hold larger ones too, but where they stand costs a quarter.
fn blocks_are_smaller(ratio: f64, targets: [f64; 4]) {
    let (single, blocks) = (check(ratio, By::Layer, targets), check(ratio, By::Blocks, targets));
    for (single, blocks) in single.into_iter().zip(blocks) {
        assert!(blocks < single, "{blocks} bytes in blocks, {single} as single weights");
    }
}

/// How long reading takes.
fn time(bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let found = unpack(bytes, Path::new("p")).expect("its own");
    let time = start.elapsed();
    assert!(found.tensor("linear.bias").is_some());
    time
}

#[test]
fn ninety_percent() {
    for by in [By::Chance, By::All] {
        check(0.9, by, [8.0, 14.0, 23.0, 32.0]);
    }
    blocks_are_smaller(0.9, [8.0, 14.0, 23.0, 32.0]);
}

#[test]
fn ninety_five_percent() {
    for by in [By::Chance, By::All] {
        check(0.95, by, [16.0, 27.0, 43.0, 55.0]);
    }
    blocks_are_smaller(0.95, [16.0, 27.0, 43.0, 55.0]);
}
