//! `models bench`: milliseconds of a training step or an inference.

use anyhow::Result;
use artifact::{Error, Named};
use clap::Args;
use engine::bench::{self, Work};
use engine::{Net, device};
use graph::Param;
use serde::Serialize;
use sparsity::allocation::{Goal, Layer, Target};
use sparsity::select::Candidates;
use sparsity::{Allocation, Masks, Score, Structure, weights};
use stage::Common;

use crate::foreign::usual;
use crate::layers;

/// Flags of `models bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Network by name, with @WIDTH behind it if wanted, or the file of a graph's text
    #[arg(value_name = "NAME[@WIDTH]|FILE.net")]
    network: String,
    /// What is timed
    #[arg(long, value_enum, default_value = "infer")]
    work: Work,
    /// Images of a step
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Timed steps; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10000))]
    repeat: u32,
    /// Fraction of weights pruned in all convolutions but the first
    #[arg(long, default_value_t = 0.0)]
    sparsity: f64,
    /// How the fraction is shared out
    #[arg(long, value_parser = stage::named::<Allocation>(), default_value = "uniform")]
    allocation: Allocation,
    /// Height and width of the images in pixels; 0 takes those that the network is published for
    #[arg(long, default_value_t = 0)]
    side: usize,
    #[command(flatten)]
    device: device::Flags,
    /// Time each convolution's shape alone instead: dense and at several sparsities, on a GPU in each
    /// direction and norms too
    #[arg(long, conflicts_with_all = ["work", "sparsity", "allocation"])]
    layers: bool,
}

/// What was measured.
#[derive(Serialize)]
struct Row {
    network: String,
    work: &'static str,
    batch: u32,
    sparsity: f64,
    allocation: &'static str,
    threads: usize,
    simd: &'static str,
    device: String,
    #[serde(skip)]
    place: String,
    milliseconds: f64,
    images_per_second: f64,
    activations_mib: f64,
    /// Of each step, in the order of time.
    seconds: Vec<f64>,
}

impl Bench {
    /// Times and prints.
    pub fn run(&self, common: &Common) -> Result<()> {
        if !(0.0..=1.0).contains(&self.sparsity) {
            let what = format!("--sparsity {}: expected a fraction from 0 to 1", self.sparsity);
            return Err(Error::Config(what).into());
        }
        let graph = usual(&self.network, None, self.side)?;
        let device = self.device.device()?;
        #[cfg(feature = "cuda")]
        if self.layers && !device.is_cpu() {
            let net = Net::initial(graph, 42, &device)?;
            let counts = (self.batch as usize, self.repeat as usize);
            return layers::on_gpu(&net, counts, common.json);
        }
        if self.layers {
            layers::run(&graph, (self.batch as usize, self.repeat as usize), common.json);
            return Ok(());
        }
        let mut net = Net::initial(graph, 42, &device)?;
        let masks = self.masks(&net)?;
        let counts = (self.batch as usize, self.repeat as usize);
        let seconds = bench::seconds(&mut net, &masks, self.work, counts)?;
        let median = median(&seconds);
        let row = Row {
            network: net.graph().name().to_owned(),
            work: if self.work == Work::Train { "train" } else { "infer" },
            batch: self.batch,
            sparsity: self.sparsity,
            allocation: self.allocation.name(),
            threads: stage::threads(),
            simd: device::simd(),
            device: net.device().name(),
            place: if net.device().is_cpu() {
                format!("{} threads, {}", stage::threads(), device::simd())
            } else {
                net.device().name()
            },
            milliseconds: median * 1e3,
            images_per_second: f64::from(self.batch) / median,
            activations_mib: artifact::size::mib(net.activation_bytes() as u64),
            seconds,
        };
        if common.json {
            stage::print_json(&row);
        } else {
            stage::print(&text(&row));
        }
        Ok(())
    }

    /// Masks of the weights of smallest magnitude.
    fn masks(&self, net: &Net) -> Result<Masks> {
        let mut masks = Masks::default();
        if self.sparsity == 0.0 {
            return Ok(masks);
        }
        let tensors = net.tensors()?;
        let params: Vec<&Param> =
            net.graph().prunable().filter(|p| p.shape.len() == 4).skip(1).collect();
        let scores: Vec<Vec<f32>> = params
            .iter()
            .map(|p| sparsity::magnitude(tensors[&p.name].as_f32().expect("f32")))
            .collect();
        let layers: Vec<Layer> = params
            .iter()
            .zip(&scores)
            .map(|(p, scores)| Layer {
                candidates: Candidates::new(&p.name, scores, None),
                shape: &p.shape,
            })
            .collect();
        let total = scores.iter().map(Vec::len).sum::<usize>() as u64;
        let goal = Goal {
            pruned: weights(self.sparsity, total),
            target: Target { sparsity: self.sparsity, rate: None },
            score: Score::Magnitude,
            structure: Structure::Weight,
            excludes: true,
        };
        let chosen = self.allocation.choose(&layers, &goal)?;
        for (param, chosen) in params.iter().zip(chosen) {
            masks.insert(&param.name, chosen.mask);
        }
        Ok(masks)
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn text(row: &Row) -> String {
    format!(
        "{} {}, batch {}, {:.0} % pruned, {}:\n\
         {:.1} ms a step, {:.1} images/s; activations and gradients take {:.0} MiB",
        row.network,
        row.work,
        row.batch,
        row.sparsity * 100.0,
        row.place,
        row.milliseconds,
        row.images_per_second,
        row.activations_mib
    )
}
