//! The scan: one point is one layer at one ratio.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use artifact::record::{Scan, ScanRow, Score};
use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Timings, file, names};
use cifar::{Dataset, Normalise};
use engine::{Net, Recalibration, evaluate};
use sparsity::select::{self, Candidates};
use sparsity::{Checkpoint, Mask, magnitude, weights};
use stage::{Job, Progress, interrupt};

use crate::command::Config;
use crate::points::{self, Point};

/// What to scan.
pub struct Task {
    /// The network.
    pub checkpoint: Checkpoint,
    /// Images.
    pub data: Dataset,
    /// Names of the weights to scan, in order.
    pub layers: Vec<String>,
    /// Settings.
    pub config: Config,
    /// Seed of the choice of recalibration images.
    pub seed: u64,
    /// The network on its device.
    pub net: Net,
}

/// Scans what is not yet scanned and commits the artifact.
pub fn run(mut task: Task, job: Job) -> Result<()> {
    let (path, planned) = (job.path(names::POINTS), task.planned());
    let mut points = points::read(&path, &planned)?;
    let tensors = task.checkpoint.tensors.clone();
    let baseline = task.score(&tensors)?;
    let progress = Progress::new("scan", "points", planned.len() as u64);
    progress.advance(points.len() as u64, "");
    progress.line(&format!("baseline {:.2}% on validation images", baseline.accuracy * 100.0));
    for (layer, ratio) in planned.iter().skip(points.len()) {
        if interrupt::asked() {
            let what = format!("interrupted after {} of {} points", points.len(), planned.len());
            return Err(Error::Interrupted(format!("{what}; run again to go on")).into());
        }
        let point = task.point(layer, *ratio, baseline)?;
        points::append(&path, &point)?;
        let accuracy = point.row.score.accuracy * 100.0;
        progress.advance(1, &format!("{layer} {ratio}: {accuracy:.1}%"));
        points.push(point);
    }
    drop(progress);
    task.finish(job, baseline, points)
}

impl Task {
    fn planned(&self) -> Vec<(String, f64)> {
        let ratios = &self.config.ratios;
        let of = |l: &String| ratios.iter().map(|r| (l.clone(), *r)).collect::<Vec<_>>();
        self.layers.iter().flat_map(of).collect()
    }

    fn point(&mut self, layer: &str, ratio: f64, baseline: Score) -> Result<Point> {
        let started = Instant::now();
        let (tensors, mask) = self.pruned(layer, ratio)?;
        let score = self.score(&tensors)?;
        let row = ScanRow {
            layer: layer.to_owned(),
            ratio,
            before: self.checkpoint.masks.pruned_of(layer),
            pruned: mask.pruned(),
            weights: mask.len() as u64,
            score,
            drop: baseline.accuracy - score.accuracy,
        };
        Ok(Point { row, seconds: started.elapsed().as_secs_f64() })
    }

    /// The checkpoint with `ratio` of what is left of `layer` pruned by magnitude.
    fn pruned(&self, layer: &str, ratio: f64) -> Result<(Tensors, Mask)> {
        let values = self.checkpoint.values(layer);
        let before = self.checkpoint.masks.get(layer);
        let gone = before.map_or(0, Mask::pruned);
        let k = gone + weights(ratio, values.len() as u64 - gone);
        let scores = magnitude(values);
        let mask = select::one(Candidates::new(layer, &scores, before), k)?;
        let mut tensors = self.checkpoint.tensors.clone();
        let mut changed = values.to_vec();
        mask.apply(&mut changed);
        let shape = tensors[layer].shape.clone();
        tensors.insert(layer.to_owned(), Tensor::f32(&shape, changed));
        Ok((tensors, mask))
    }

    /// The score of the network with `tensors`, recalibrated.
    fn score(&mut self, tensors: &Tensors) -> Result<Score> {
        self.net.set(tensors)?;
        let (images, augment) = (self.config.recalibration_images, &self.config.augment);
        Recalibration { images, augment, seed: self.seed }.apply(&self.net, &self.data)?;
        evaluate(&self.net, &self.data.validation, &Normalise::from(&self.data.info))
    }

    fn finish(self, job: Job, baseline: Score, points: Vec<Point>) -> Result<()> {
        let timings = Timings {
            seconds: Some(points.iter().map(|p| p.seconds).sum()),
            points: points.iter().map(Point::timing).collect(),
            ..Timings::default()
        };
        let rows: Vec<ScanRow> = points.into_iter().map(|p| p.row).collect();
        print(&self, baseline, &rows);
        let lines: Vec<String> =
            rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        file::write(&job.path(names::SCAN), (lines.join("\n") + "\n").as_bytes())?;
        let scores = self.magnitudes();
        file::write(&job.path(names::SCORES), serde_json::to_string_pretty(&scores)?.as_bytes())?;
        let result = Scan {
            baseline,
            ratios: self.config.ratios.clone(),
            layers: self.layers.clone(),
            recalibration_images: self.config.recalibration_images,
            rows,
        };
        let network = self.checkpoint.network();
        job.timed(timings).finish(Some(network), &result, &[names::SCAN, names::SCORES])?;
        Ok(())
    }

    /// Of each layer: the absolute weights at the quantiles 0, 0.1 .. 1, masked ones included.
    fn magnitudes(&self) -> BTreeMap<String, Vec<f32>> {
        let of = |name: &String| {
            let mut scores = magnitude(self.checkpoint.values(name));
            scores.sort_unstable_by(f32::total_cmp);
            let at = |tenth: usize| scores[(scores.len() - 1) * tenth / 10];
            (name.clone(), (0..=10).map(at).collect())
        };
        self.layers.iter().map(of).collect()
    }
}

/// The table for people: a line a layer, accuracy at each ratio.
fn print(task: &Task, baseline: Score, rows: &[ScanRow]) {
    let line = |cells: &[f64]| cells.iter().fold(String::new(), |l, c| l + &format!("{c:>7.2}"));
    tracing::info!("{:<30}{}", "accuracy in % at ratio", line(&task.config.ratios));
    for layer in &task.layers {
        let of_layer = rows.iter().filter(|r| r.layer == *layer);
        let cells: Vec<f64> = of_layer.map(|r| r.score.accuracy * 100.0).collect();
        tracing::info!("{layer:<30}{}", line(&cells));
    }
    tracing::info!("{:<30}{}", "not pruned", line(&[baseline.accuracy * 100.0]));
}
