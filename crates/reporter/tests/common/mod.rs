//! A chain of small artifacts with plausible numbers: dataset, trainer, pruner, finetuner,
//! scanner, deployer.
#![allow(dead_code, reason = "each test file uses its part")]

mod numbers;
pub mod run;

use std::path::{Path, PathBuf};

use artifact::manifest::{self, Manifest};
use artifact::record::{
    ClassCount, Dataset, Deployment, Epoch, Finetuning, Layer, Parts, Pruning, Scan, ScanRow,
    Sparsity, Training, Verification,
};
use artifact::tensors::{self, Tensor, Tensors};
use artifact::timings::Speed;
use artifact::{Begun, Finished, Staging, Timings, file, names, size, yaml};
use graph::Graph;
use numbers::{epochs, score, scores};
use serde::Serialize;

/// The world of a test: a folder of artifacts of one network.
pub struct World {
    /// The folder.
    pub root: PathBuf,
    /// The network.
    pub graph: Graph,
}

/// What a stage leaves besides its result.
struct Files<'a> {
    stage: &'a str,
    inputs: Vec<(&'a str, &'a str)>,
    tensors: Option<Tensors>,
    epochs: Vec<Epoch>,
    packed: Vec<u8>,
    speeds: Vec<Speed>,
}

impl World {
    /// An empty world for the network `spec` in `root`.
    pub fn new(root: &Path, spec: &str) -> Self {
        Self { root: root.to_owned(), graph: Graph::build(spec, 10, 32).expect("in the zoo") }
    }

    /// Dataset `data`, trainer `dense`, scanner `scan`.
    pub fn dense(&self) {
        self.dataset();
        self.trainer();
        self.scan(|depth, ratio| 0.93 - 0.5 * ratio.powi(3) / (1.0 + depth));
    }

    /// Pruner `pruned-NAME` and finetuner `NAME` from the checkpoint `from`.
    pub fn tuned(&self, name: &str, from: &str, sparsity: f64) {
        self.pruner(&format!("pruned-{name}"), from, sparsity);
        self.finetuner(name, &format!("pruned-{name}"), sparsity);
    }

    /// Where the artifact `name` stands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn dataset(&self) {
        let classes = ["circle", "square", "triangle", "cross", "ring"].map(str::to_owned);
        let counts =
            classes.iter().map(|c| ClassCount { class: c.clone(), train: 1000, test: 200 });
        let result = Dataset {
            source: "synthetic".into(),
            classes: classes.to_vec(),
            shape: artifact::record::ImageShape::square(32),
            counts: counts.collect(),
            images: Parts { train: 4500, validation: 500, test: 1000 },
            validation: 0.1,
            split_seed: 42,
            mean: vec![0.49, 0.48, 0.45],
            std: vec![0.25, 0.24, 0.26],
            passed_over: vec![],
        };
        let files = Files::of("data-cifar");
        self.commit("data", &files, &result);
    }

    fn trainer(&self) {
        let epochs = epochs(30, 0.25, 0.931);
        let nonzero = self.graph.parameters();
        let files = Files {
            inputs: vec![("dataset", "data")],
            tensors: Some(self.weights(0.0)),
            epochs,
            ..Files::of("trainer")
        };
        let sizes = self.sizes(0.0, nonzero);
        let result = Training {
            epochs: 30,
            best_epoch: 28,
            scores: scores(0.931),
            sparsity: self.sparsity(0.0),
            sizes,
            method: None,
            layers: vec![],
        };
        self.commit("dense", &files, &result);
    }

    /// Trainer `name`, which pruned gradually on the way.
    pub fn sparse_trainer(&self, name: &str, sparsity: f64) {
        let left = self.sparsity(sparsity);
        let files = Files {
            inputs: vec![("dataset", "data")],
            tensors: Some(self.weights(sparsity)),
            epochs: epochs(30, 0.25, 0.927),
            ..Files::of("trainer")
        };
        let result = Training {
            epochs: 30,
            best_epoch: 29,
            scores: scores(0.927),
            sizes: self.sizes(sparsity, left.nonzero),
            sparsity: left,
            method: Some(artifact::record::Method {
                score: "magnitude".into(),
                structure: "block4".into(),
                allocation: "erk".into(),
                schedule: "gradual".into(),
            }),
            layers: self.layers(sparsity),
        };
        self.commit(name, &files, &result);
    }

    /// Pruner `name` from the checkpoint `from`, not fine-tuned.
    pub fn pruner(&self, name: &str, from: &str, sparsity: f64) {
        let left = self.sparsity(sparsity);
        let result = Pruning {
            structure: "weight".into(),
            score: "magnitude".into(),
            allocation: "global".into(),
            target: Some(sparsity),
            round: None,
            layers: self.layers(sparsity),
            bias_pruned: 0,
            sizes: self.sizes(sparsity, left.nonzero),
            sparsity: left,
        };
        let files = Files {
            inputs: vec![("checkpoint", from)],
            tensors: Some(self.weights(sparsity)),
            ..Files::of("pruner")
        };
        self.commit(name, &files, &result);
    }

    /// Finetuner `name` from the checkpoint `from`.
    pub fn finetuner(&self, name: &str, from: &str, sparsity: f64) {
        let lost = 0.004 + 0.03 * sparsity.powi(12);
        let left = self.sparsity(sparsity);
        let result = Finetuning {
            epochs: 8,
            best_epoch: 6,
            pruned_as_is: scores(0.931 - 0.8 * sparsity.powi(4)),
            pruned: scores(0.931 - 0.3 * sparsity.powi(4)),
            tuned: scores(0.932 - lost),
            layers: self.layers(sparsity),
            sizes: self.sizes(sparsity, left.nonzero),
            sparsity: left,
            method: None,
        };
        let files = Files {
            inputs: vec![("checkpoint", from), ("dataset", "data")],
            tensors: Some(self.weights(sparsity)),
            epochs: epochs(8, 0.85, 0.931 - lost),
            ..Files::of("finetuner")
        };
        self.commit(name, &files, &result);
    }

    /// Deployer `NAME-VALUES` from the checkpoint `name`, at 1 and 64 images a time.
    pub fn deployed(&self, name: &str, values: &str, sparsity: f64) {
        let left = self.sparsity(sparsity);
        let (bits, faster, worse) = if values == "f32" { (36, 1.0, 0.0) } else { (13, 0.9, 0.003) };
        let packed = vec![7; usize::try_from(left.nonzero).expect("few") * bits / 8 + 500];
        let accuracy = 0.928 - 0.03 * sparsity.powi(12) - worse;
        let speed = |batch: usize| Speed {
            batch,
            threads: 2,
            milliseconds: faster * (0.9 * (1.05 - sparsity) + 0.4 / batch as f64),
            spread: 0.012,
            dense_milliseconds: 0.94 + 0.6 / batch as f64,
            processor: "Made-up 9000".into(),
        };
        let result = Deployment {
            activations: "f32".into(),
            values: values.into(),
            bytes: packed.len() as u64,
            dense_bytes: left.parameters * 4 + 9000,
            sparsity: left,
            removed_channels: 0,
            verification: Verification {
                images: 1000,
                same: 999,
                difference: 4.7e-7,
                checkpoint: accuracy,
                packed: accuracy,
            },
        };
        let inputs = vec![("checkpoint", name), ("dataset", "data")];
        let speeds = vec![speed(1), speed(64)];
        let files = Files { inputs, packed, speeds, ..Files::of("deployer") };
        self.commit(&format!("{name}-{values}"), &files, &result);
    }

    /// Scanner `scan`, whose accuracy at (layer's place, ratio) is `accuracy`.
    pub fn scan(&self, accuracy: impl Fn(f64, f64) -> f64) {
        let ratios: Vec<f64> = (4..=9).map(|i| f64::from(i) / 10.0).collect();
        self.scan_at(&ratios, accuracy);
    }

    /// As [`World::scan`], at these `ratios`.
    pub fn scan_at(&self, ratios: &[f64], accuracy: impl Fn(f64, f64) -> f64) {
        let baseline = score(0.93, 500);
        let rows = self.graph.prunable().enumerate().flat_map(|(i, p)| {
            let row = |&ratio: &f64| {
                let accuracy = accuracy(i as f64, ratio);
                ScanRow {
                    layer: p.name.clone(),
                    ratio,
                    before: 0,
                    pruned: (p.count() as f64 * ratio) as u64,
                    weights: p.count() as u64,
                    score: score(accuracy, 500),
                    drop: baseline.accuracy - accuracy,
                }
            };
            ratios.iter().map(row).collect::<Vec<_>>()
        });
        let result = Scan {
            baseline,
            ratios: ratios.to_vec(),
            layers: self.graph.prunable().map(|p| p.name.clone()).collect(),
            recalibration_images: 500,
            rows: rows.collect(),
        };
        let inputs = vec![("checkpoint", "dense"), ("dataset", "data")];
        self.commit("scan", &Files { inputs, ..Files::of("scanner") }, &result);
    }

    /// A bell of weights, the smallest of each layer zero up to `sparsity`.
    fn weights(&self, sparsity: f64) -> Tensors {
        let values = graph::initial(&self.graph, 1);
        let tensor = |(p, mut v): (&graph::Param, Vec<f32>)| {
            if p.prunable() {
                v = (0..v.len()).map(|i| (0..4).map(|j| v[(i + j * 7) % v.len()]).sum()).collect();
                prune(&mut v, pruned(p.count(), sparsity));
            }
            (p.name.clone(), Tensor::f32(&p.shape, v))
        };
        self.graph.params().iter().zip(values).map(tensor).collect()
    }

    fn layers(&self, sparsity: f64) -> Vec<Layer> {
        let left = self.sparsity(sparsity).nonzero as f64;
        let layer = |p: &graph::Param| {
            let (weights, pruned) = (p.count() as u64, pruned(p.count(), sparsity) as u64);
            let kept = weights - pruned;
            Layer {
                name: p.name.clone(),
                shape: p.shape.clone(),
                weights,
                kept,
                pruned,
                sparsity: pruned as f64 / weights as f64,
                share: kept as f64 / left,
                macs_dense: self.graph.macs_of(p, weights),
                macs_sparse: self.graph.macs_of(p, kept),
                reason: "global magnitude".into(),
            }
        };
        self.graph.prunable().map(layer).collect()
    }

    fn sparsity(&self, sparsity: f64) -> Sparsity {
        let parameters = self.graph.parameters();
        let gone = |p: &graph::Param| pruned(p.count(), sparsity) as u64;
        let zeros: u64 = self.graph.prunable().map(gone).sum();
        let prunable = self.graph.prunable().map(|p| p.count() as u64).sum();
        let macs = self.graph.prunable().map(|p| self.graph.macs_of(p, p.count() as u64 - gone(p)));
        Sparsity {
            parameters,
            prunable,
            pruned: zeros,
            of_prunable: zeros as f64 / prunable as f64,
            of_all: zeros as f64 / parameters as f64,
            nonzero: parameters - zeros,
            macs_dense: self.graph.macs(),
            macs_sparse: macs.sum(),
        }
    }

    fn sizes(&self, sparsity: f64, nonzero: u64) -> size::Sizes {
        let path = self.root.join("sized");
        tensors::write(&path, &self.weights(sparsity), None).expect("writes");
        let sizes = size::measure(&path, nonzero).expect("measures");
        std::fs::remove_file(&path).expect("was written");
        sizes
    }

    fn commit<R: Serialize>(&self, name: &str, files: &Files, result: &R) {
        let out = self.path(name);
        let inputs = files.inputs.iter().map(|(role, from)| {
            manifest::input(role, &self.path(from), &out).expect("made before")
        });
        let config = yaml::parse("epochs: 30\nlr: 0.1\n", Path::new("config")).expect("yaml");
        let inputs: Vec<_> = inputs.collect();
        let begun = Begun { stage: files.stage.into(), seed: 42, config, inputs, fresh: true };
        let staging = Staging::open(&out, &begun).expect("opens");
        let outputs = files.write(staging.folder());
        let manifest = Manifest {
            format: manifest::FORMAT,
            stage: begun.stage,
            version: "0.1.0".into(),
            seed: begun.seed,
            network: (files.stage != "data-cifar").then(|| self.graph.network()),
            inputs: begun.inputs,
            outputs: vec![],
            config: begun.config,
            result: yaml::value(result),
        };
        let timings = Timings { speeds: files.speeds.clone(), ..Timings::default() };
        staging.commit(Finished { manifest, timings: &timings }, &outputs).expect("commits");
    }
}

impl Files<'_> {
    /// Of a stage that leaves none.
    fn of(stage: &str) -> Files<'_> {
        Files {
            stage,
            inputs: vec![],
            tensors: None,
            epochs: vec![],
            packed: vec![],
            speeds: vec![],
        }
    }

    fn write(&self, folder: &Path) -> Vec<String> {
        let mut outputs = Vec::new();
        if let Some(weights) = &self.tensors {
            tensors::write(&folder.join(names::MODEL), weights, None).expect("writes");
            outputs.push(names::MODEL.to_owned());
        }
        if !self.packed.is_empty() {
            file::write(&folder.join(names::PACKED), &self.packed).expect("writes");
            outputs.push(names::PACKED.to_owned());
        }
        if !self.epochs.is_empty() {
            for epoch in &self.epochs {
                let line = serde_json::to_string(epoch).expect("plain");
                file::append_line(&folder.join(names::METRICS), &line).expect("writes");
            }
            outputs.push(names::METRICS.to_owned());
        }
        outputs
    }
}

/// How many of `count` weights go: small layers are spared, as global magnitude does.
fn pruned(count: usize, sparsity: f64) -> usize {
    let spared = if count < 2000 { 0.4 } else { 1.0 };
    (count as f64 * sparsity * spared) as usize
}

fn prune(values: &mut [f32], count: usize) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].abs().total_cmp(&values[b].abs()));
    for &i in &order[..count] {
        values[i] = 0.0;
    }
}
