//! `deployer bench`: milliseconds an image, beside the dense network's.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use artifact::timings::Speed;
use clap::Args;
use inference::{LayerPlan, Model, ModelPlan, Network, Threads, Unknown, Use};
use kernels::integer::{self, Instructions};
use kernels::isa;
use serde::Serialize;
use stage::Common;

use crate::text::{shortened, table};

/// Flags of `deployer bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// A packed file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    timing: Timing,
    /// Each layer too: its kernel, what is kept of it, its time, and the share of the processor's peak that its kept
    /// weights make of it
    #[arg(long)]
    layers: bool,
}

/// What is timed, and how often.
#[derive(Debug, Clone, Args, Serialize)]
pub struct Timing {
    /// Images that come at the same time
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 16, 64],
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch: Vec<u32>,
    /// Timed runs of each; the median counts
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10000))]
    pub repeat: u32,
}

/// One batch size.
#[derive(Serialize)]
struct Row {
    network: String,
    values: String,
    activations: &'static str,
    #[serde(flatten)]
    speed: Speed,
    images_per_second: f64,
    /// Of the dense network over that of the packed one.
    times_faster: f64,
    activations_mib: f64,
    /// Those that multiply.
    instructions: &'static str,
    /// Of each run, in the order of time; and of the dense network's.
    seconds: Vec<f64>,
    dense_seconds: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<LayerRow>,
}

/// One layer; times are microseconds an image.
#[derive(Serialize)]
struct LayerRow {
    name: String,
    kernel: String,
    kept: Option<f64>,
    microseconds: f64,
    dense_kernel: String,
    dense_microseconds: f64,
    /// As the dense layer counts them.
    gflops: Option<f64>,
    /// Multiply-adds of kept weights over those that all threads could do in the time, with operands in registers.
    of_peak: Option<f64>,
}

/// Multiply-adds a second that the machine can do at most.
struct Peaks {
    floats: f64,
    /// Of bytes, by what multiplies them.
    bytes: Vec<(Instructions, f64)>,
}

impl Peaks {
    /// Those of the instructions of some layers.
    fn of(layers: &[LayerPlan]) -> Self {
        const RUNS: usize = 5;
        let mut bytes: Vec<(Instructions, f64)> = vec![];
        for own in layers.iter().filter_map(|layer| layer.bytes) {
            if bytes.iter().all(|(known, _)| *known != own) {
                bytes.push((own, integer::peak::multiply_adds(own, RUNS)));
            }
        }
        Self { floats: kernels::peak::flops(RUNS) / 2.0, bytes }
    }

    fn of_layer(&self, layer: &LayerPlan) -> f64 {
        let Some(own) = layer.bytes else { return self.floats };
        let known = self.bytes.iter().find(|(bytes, _)| *bytes == own);
        known.expect("those of all layers").1
    }
}

impl Bench {
    /// Times and prints.
    pub fn run(&self, common: &Common) -> Result<()> {
        let model = Model::open(&self.file)?;
        let network = model.network().0;
        let rows: Vec<Row> =
            self.timing.batch.iter().map(|batch| self.row(&model, &network, *batch)).collect();
        if common.json {
            stage::print_json(&rows);
        } else {
            stage::print(&text(&rows));
        }
        Ok(())
    }

    fn row(&self, model: &Model, network: &Network, batch: u32) -> Row {
        let in_integers = model.packed().integers.is_some();
        let pair = Pair::new((model, network), batch as usize);
        let times = pair.times(self.timing.repeat as usize);
        let speed = pair.speed(&times);
        Row {
            seconds: times.iter().map(|t| t[0]).collect(),
            dense_seconds: times.iter().map(|t| t[1]).collect(),
            network: model.network_name(),
            values: model.options().values.to_string(),
            activations: if in_integers { "int8" } else { "f32" },
            images_per_second: 1e3 / speed.milliseconds,
            times_faster: speed.dense_milliseconds / speed.milliseconds,
            activations_mib: artifact::size::mib(
                pair.sparse.activation_bytes(batch as usize) as u64
            ),
            instructions: if in_integers {
                Instructions::chosen().name()
            } else {
                isa::name().unwrap_or("unknown")
            },
            layers: if self.layers {
                pair.layers((model, network), self.timing.repeat as usize)
            } else {
                vec![]
            },
            speed,
        }
    }
}

/// The packed network and the dense one, ready for batches of one size.
pub struct Pair {
    sparse: ModelPlan,
    dense: ModelPlan,
    batch: usize,
    images: Vec<f32>,
}

impl Pair {
    /// Makes both ready; kernels whose speed is not known yet are measured.
    pub fn new((model, network): (&Model, &Network), batch: usize) -> Self {
        let (unknown, threads) = (Unknown::Measure, Threads::Present);
        let ready = |skip| model.plan(network, Use { batch, skip, unknown, threads });
        let len = batch * network.layers[0].shape.count();
        let images = (0..len).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect();
        Self { sparse: ready(true), dense: ready(false), batch, images }
    }

    /// Seconds of runs of both. They take turns of a few runs, each turn after one that does not
    /// count: either would find the caches full of the other's weights.
    pub fn times(&self, repeat: usize) -> Vec<[f64; 2]> {
        const TURNS: usize = 3;
        if self.sparse.layers() == self.dense.layers() {
            // No zero is skipped where that is slower: the two are one plan, timed once.
            self.seconds(&self.sparse);
            let one = |_| [self.seconds(&self.sparse); 2];
            return (0..repeat).map(one).collect();
        }
        let turns = TURNS.min(repeat);
        let mut all = vec![];
        for turn in 0..turns {
            let count = (turn + 1) * repeat / turns - turn * repeat / turns;
            let [ours, dense] = [&self.sparse, &self.dense].map(|plan| {
                self.seconds(plan);
                (0..count).map(|_| self.seconds(plan)).collect::<Vec<f64>>()
            });
            all.extend(ours.into_iter().zip(dense).map(|(a, b)| [a, b]));
        }
        all
    }

    /// What `times` come to.
    pub fn speed(&self, times: &[[f64; 2]]) -> Speed {
        let of = |k: usize| {
            let mut all: Vec<f64> = times.iter().map(|t| t[k] / self.batch as f64).collect();
            all.sort_by(f64::total_cmp);
            let quarter = |q: usize| all[(all.len() - 1) * q / 4] * 1e3;
            (quarter(2), (quarter(3) - quarter(1)) / 2.0)
        };
        let ((milliseconds, spread), (dense_milliseconds, _)) = (of(0), of(1));
        Speed {
            batch: self.batch,
            threads: stage::threads(),
            milliseconds,
            spread,
            dense_milliseconds,
            processor: tuning::processor().to_owned(),
        }
    }

    fn seconds(&self, plan: &ModelPlan) -> f64 {
        let start = Instant::now();
        std::hint::black_box(plan.logits(&self.images));
        start.elapsed().as_secs_f64()
    }

    fn layers(&self, (model, network): (&Model, &Network), repeat: usize) -> Vec<LayerRow> {
        let [ours, dense] = [&self.sparse, &self.dense].map(|plan| {
            self.seconds(plan);
            plan.take_spent();
            (0..repeat).for_each(|_| drop(plan.logits(&self.images)));
            plan.take_spent()
        });
        let images = (repeat * self.batch) as f64;
        let plain = inference::plain(&model.packed().graph);
        let kernel = |layer: &LayerPlan| {
            let loops = if plain.contains(&layer.name.as_str()) { "plain loops, " } else { "" };
            format!("{loops}{}", layer.kernel)
        };
        let layers = self.sparse.layers();
        let peaks = Peaks::of(&layers);
        let rows = layers.into_iter().zip(self.dense.layers()).enumerate();
        rows.map(|(n, (layer, dense_layer))| {
            let (macs, kept) = network.layers[n].macs();
            let seconds = ours[n] / images;
            LayerRow {
                of_peak: (macs > 0).then(|| kept as f64 / seconds / peaks.of_layer(&layer)),
                kernel: kernel(&layer),
                name: layer.name,
                kept: (macs > 0).then(|| kept as f64 / macs as f64),
                microseconds: seconds * 1e6,
                dense_kernel: kernel(&dense_layer),
                dense_microseconds: dense[n] / images * 1e6,
                gflops: (macs > 0).then(|| 2e-9 * macs as f64 / seconds),
            }
        })
        .collect()
    }
}

fn text(rows: &[Row]) -> String {
    let first = rows.first().expect("clap requires a batch");
    let heading = format!(
        "{}, values {}{}, {} threads, {} ({})",
        first.network,
        first.values,
        if first.activations == "f32" { "" } else { " (W8A8)" },
        first.speed.threads,
        first.speed.processor,
        first.instructions
    );
    let line = |r: &Row| {
        vec![
            r.speed.batch.to_string(),
            format!("{:.3} ± {:.3}", r.speed.milliseconds, r.speed.spread),
            format!("{:.1}", r.images_per_second),
            format!("{:.3}", r.speed.dense_milliseconds),
            format!("{:.2} x", r.times_faster),
        ]
    };
    let headings = ["batch", "ms an image", "images/s", "dense ms", "faster"];
    let mut lines = vec![heading, String::new(), table(&headings, rows.iter().map(line))];
    for row in rows.iter().filter(|r| !r.layers.is_empty()) {
        lines.push(format!("\nbatch {}, microseconds an image:\n", row.speed.batch));
        lines.push(layers_text(&row.layers));
    }
    lines.join("\n")
}

fn layers_text(layers: &[LayerRow]) -> String {
    let or_dash = |v: Option<String>| v.unwrap_or_else(|| "-".into());
    let line = |l: &LayerRow| {
        vec![
            shortened(&l.name, 20),
            l.kernel.clone(),
            or_dash(l.kept.map(|k| format!("{:.1} %", k * 100.0))),
            format!("{:.1}", l.microseconds),
            or_dash(l.gflops.map(|g| format!("{g:.0}"))),
            or_dash(l.of_peak.map(|share| format!("{:.0} %", share * 100.0))),
            format!("{:.1}", l.dense_microseconds),
        ]
    };
    table(
        &["layer", "kernel", "kept", "µs", "GFLOP/s", "of peak", "dense µs"],
        layers.iter().map(line),
    )
}
