//! Bytes of the whole file against the dense checkpoint, and how long reading it takes.

use std::path::Path;
use std::time::Instant;

use artifact::tensors::{self, Tensor, Tensors};
use graph::{Graph, Param, Role};
use packed::{Contents, Encode, Info, Options, Values, pack, unpack};
use sparsity::select::{self, Candidates};
use sparsity::{Masks, magnitude, weights};

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

/// `ratio` of the weights pruned by magnitude: of each layer, or of all together.
fn pruned(ratio: f64, global: bool) -> Contents {
    let (graph, mut tensors) = network();
    let named: Vec<(&str, Vec<f32>)> = graph
        .prunable()
        .map(|p| (p.name.as_str(), magnitude(tensors[&p.name].as_f32().expect("f32"))))
        .collect();
    let layers: Vec<Candidates> =
        named.iter().map(|(name, scores)| Candidates { name, scores, before: None }).collect();
    let count = |of: &[Candidates]| of.iter().map(|l| l.scores.len() as u64).sum();
    let select = |of: &[Candidates]| select::global(of, weights(ratio, count(of))).expect("fits");
    let found = if global {
        select(&layers)
    } else {
        layers.iter().flat_map(|layer| select(&[*layer])).collect()
    };
    let mut masks = Masks::default();
    for ((name, _), mask) in named.iter().zip(found) {
        masks.insert(name, mask);
    }
    masks.apply(&mut tensors);
    let info = Info {
        classes: (0..10).map(|i| format!("class {i}")).collect(),
        mean: vec![0.491_4, 0.482_2, 0.446_5],
        std: vec![0.247_0, 0.243_5, 0.261_6],
        checkpoint: "0".repeat(64),
    };
    Contents { graph, tensors, masks, info }
}

/// Packs as every kind of values and holds each to its `targets`: times smaller than dense.
fn check(ratio: f64, global: bool, targets: [f64; 4]) {
    let contents = pruned(ratio, global);
    let dense = tensors::encode(&contents.tensors, None).expect("encodes").len() as f64;
    for (values, target) in Values::ALL.into_iter().zip(targets) {
        for fold in [false, true] {
            let options = Options { values, encode: Encode::Auto, fold };
            let start = Instant::now();
            let bytes = pack(&contents, &options).expect("packs");
            let packing = start.elapsed();
            let start = Instant::now();
            unpack(&bytes, Path::new("p")).expect("its own");
            let found = dense / bytes.len() as f64;
            println!(
                "{ratio} global {global} {values:9} fold {fold:5}: {:8} bytes, {found:5.2} x, header {:6}, packed in \
                 {packing:.0?}, unpacked in {:.1?}",
                bytes.len(),
                u64::from_le_bytes(*bytes.first_chunk().expect("8 bytes")),
                start.elapsed()
            );
            assert!(found > target, "{values} at {ratio}: {found:.2} x, expected {target}");
        }
    }
}

#[test]
fn ninety_percent_of_each_layer() {
    check(0.9, false, [8.0, 14.0, 23.0, 23.0]);
}

#[test]
fn ninety_percent_of_all() {
    check(0.9, true, [8.0, 14.0, 23.0, 23.0]);
}

#[test]
fn ninety_five_percent_of_each_layer() {
    check(0.95, false, [16.0, 27.0, 43.0, 43.0]);
}

#[test]
fn ninety_five_percent_of_all() {
    check(0.95, true, [16.0, 27.0, 43.0, 43.0]);
}
