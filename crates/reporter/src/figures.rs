//! Which figures a report has, and what they are called.

use artifact::record::{Epoch, Scores};
use artifact::{Error, Result, file, names, timings};

use crate::chain::{Record, Stage};
use crate::page::Figures;
use crate::plots::histogram::Zeros;
use crate::plots::training::{self, Curve};
use crate::plots::{Plot, bars, cost, histogram, sensitivity, tradeoff};
use crate::view::{Packed, Run, View};
use crate::weights;

/// Draws every figure; reads weights and metrics, verified.
pub fn all(view: &View) -> Result<Figures> {
    let runs = view.runs.iter().enumerate().map(|(i, run)| of_run(view, run, i));
    Ok(Figures {
        tradeoff: tradeoff_of(view),
        packed: costs(view),
        runs: runs.collect::<Result<_>>()?,
        sensitivity: scans(view),
        training: trainings(view)?,
    })
}

/// `name`, numbered where there are several.
fn numbered(name: &str, index: usize, many: usize) -> String {
    if many > 1 { format!("{name}-{}", index + 1) } else { name.to_owned() }
}

fn of_run(view: &View, run: &Run, index: usize) -> Result<[Plot; 3]> {
    let name = |base: &str| numbered(base, index, view.runs.len());
    let pairs = weights::pairs(view, run)?;
    let state = match view.stage(run).record {
        Record::Finetuning(_) => "fine-tuned",
        Record::SparseTraining(_) => "trained",
        _ => "pruned",
    };
    let labels = (run.label.as_str(), state);
    let histogram = |base: &str, zeros| histogram::plot(&name(base), labels, zeros, &pairs);
    Ok([
        bars::plot(&name("parameters"), &run.label, &run.layers),
        histogram("weights", Zeros::Without),
        histogram("weights-with-zeros", Zeros::With),
    ])
}

/// Every fine-tuned network of every chain that shares the first run's dense network.
fn tradeoff_of(view: &View) -> Vec<Plot> {
    let Some(first) = view.runs.first() else {
        return vec![];
    };
    let mut known = Vec::new();
    for run in view.runs.iter().filter(|r| r.dense == first.dense) {
        for index in view.chain.lineage(run.stage) {
            if !known.contains(&index) {
                known.push(index);
            }
        }
    }
    let points: Vec<_> = known.iter().rev().filter_map(|&i| point(view, i)).collect();
    if points.len() < 2 {
        return vec![];
    }
    let dense = view.training(first).map(|t| t.scores.test.accuracy);
    vec![tradeoff::plot("accuracy-against-sparsity", points, dense)]
}

fn point(view: &View, index: usize) -> Option<tradeoff::Point> {
    let stage = &view.chain.stages[index];
    let tuned = match &stage.record {
        Record::Finetuning(tuned) => tuned,
        Record::SparseTraining(trained) => {
            return Some(tradeoff::Point {
                label: stage.name().to_owned(),
                sparsity: trained.sparsity.of_prunable,
                as_is: f64::NAN,
                recalibrated: f64::NAN,
                tuned: trained.scores.test.accuracy,
            });
        }
        _ => return None,
    };
    // What came to it was tuned before: its score says nothing of pruning.
    let pruned = view.chain.pruned_before(index).is_some();
    let of_pruned = |scores: Scores| if pruned { scores.test.accuracy } else { f64::NAN };
    Some(tradeoff::Point {
        label: stage.name().to_owned(),
        sparsity: tuned.sparsity.of_prunable,
        as_is: of_pruned(tuned.pruned_as_is),
        recalibrated: of_pruned(tuned.pruned),
        tuned: tuned.tuned.test.accuracy,
    })
}

/// Every packed network of those that share the first run's dense network.
fn costs(view: &View) -> Vec<Plot> {
    let Some(first) = view.runs.first() else {
        return vec![];
    };
    let packed: Vec<Packed> = view.packed().filter(|p| p.run.dense == first.dense).collect();
    if packed.len() < 2 { vec![] } else { cost::plots(&packed, view.training(first)) }
}

fn scans(view: &View) -> Vec<Plot> {
    let drawn = |(i, &index): (usize, &usize)| {
        let scan = view.scan(index)?;
        let name = numbered("sensitivity", i, view.scans.len());
        Some(sensitivity::plot(&name, view.chain.stages[index].name(), scan))
    };
    view.scans.iter().enumerate().filter_map(drawn).collect()
}

/// The dense runs, then the runs asked for.
fn trainings(view: &View) -> Result<Vec<Plot>> {
    let mut plots = Vec::new();
    let mut stages: Vec<usize> = view.runs.iter().filter_map(|r| r.dense).collect();
    stages.extend(view.runs.iter().map(|r| r.stage));
    let mut seen = Vec::new();
    for index in stages {
        if seen.contains(&index) {
            continue;
        }
        seen.push(index);
        plots.extend(training_of(&view.chain.stages[index], plots.len())?);
    }
    Ok(plots)
}

fn training_of(stage: &Stage, index: usize) -> Result<Option<Plot>> {
    let best = match &stage.record {
        Record::Training(t) | Record::SparseTraining(t) => t.best_epoch,
        Record::Finetuning(f) => f.best_epoch,
        _ => return Ok(None),
    };
    let name = format!("training-{}", index + 1);
    let label = format!("{} ({})", stage.name(), stage.manifest.stage);
    let epochs = epochs(stage)?;
    let curve = Curve { epochs: &epochs, timings: &stage.timings.epochs, best };
    Ok((!epochs.is_empty()).then(|| training::plot(&name, &label, &curve)))
}

/// The lines of a run's metrics; none where it lists no such file.
fn epochs(stage: &Stage) -> Result<Vec<Epoch>> {
    if !stage.manifest.has(names::METRICS) {
        return Ok(vec![]);
    }
    let path = stage.manifest.verified(&stage.folder, names::METRICS)?;
    let text = file::read_text(&path)?;
    let parse = |(i, line): (usize, &str)| {
        timings::parse_line(line)
            .map_err(|e| Error::Config(format!("{}: line {}: {e}", path.display(), i + 1)))
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(parse).collect()
}
