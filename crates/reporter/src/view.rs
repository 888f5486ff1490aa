//! What the report is about: the runs asked for, the dense network of each, the scans.

use artifact::record::{Deployment, Layer, Scan, Sparsity, Training};
use artifact::timings::Speed;
use artifact::{Result, names};
use graph::Graph;
use sparsity::Masks;

use crate::chain::{Chain, Record, Stage};
use crate::deployed::throughput;

/// The chain seen as runs.
pub struct View {
    /// All artifacts.
    pub chain: Chain,
    /// Networks asked for, in the order given.
    pub runs: Vec<Run>,
    /// Scans, given or used, as indices.
    pub scans: Vec<usize>,
}

/// A network asked for.
pub struct Run {
    /// Its artifact.
    pub stage: usize,
    /// The dense trainer at its beginning; of a network that was sparse from there, the one that was given beside it.
    pub dense: Option<usize>,
    /// The earliest checkpoint that the chain leads to: the weights before pruning.
    pub before: usize,
    /// A name for it: the end of its path.
    pub label: String,
    /// Its prunable layers in the network's order.
    pub layers: Vec<Layer>,
    /// What the deployer made of it, as indices.
    packed: Vec<usize>,
}

/// A network as it was packed.
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    /// The network.
    pub run: &'a Run,
    /// Its file and its answers.
    pub of: &'a Deployment,
    /// Its times, for each batch that was timed.
    pub speeds: &'a [Speed],
}

impl View {
    /// Finds the runs and scans of `chain`.
    pub fn of(chain: Chain) -> Result<Self> {
        let stages = &chain.stages;
        let is_scan = |i: &usize| matches!(stages[*i].record, Record::Scan(_));
        let scans = (0..stages.len()).filter(is_scan).collect();
        let packed = packed(&chain)?;
        let networks = networks(&chain, &packed);
        let mut asked = networks.clone();
        asked.retain(|&i| {
            packed.iter().any(|p| p.1 == i) || !shown_by_another(&chain, &networks, i)
        });
        let paths: Vec<&str> = asked.iter().map(|&i| stages[i].path.as_str()).collect();
        let labels = labels(&paths);
        let runs = asked.iter().zip(labels).map(|(&i, label)| {
            let of_it = packed.iter().filter(|p| p.1 == i).map(|p| p.0);
            Ok(Run { packed: of_it.collect(), ..run(&chain, i, label)? })
        });
        Ok(Self { runs: runs.collect::<Result<_>>()?, scans, chain })
    }

    /// The artifact of `run`.
    pub fn stage(&self, run: &Run) -> &Stage {
        &self.chain.stages[run.stage]
    }

    /// The training record of the dense network of `run`.
    pub fn training(&self, run: &Run) -> Option<&Training> {
        match &self.chain.stages[run.dense?].record {
            Record::Training(training) => Some(training),
            _ => None,
        }
    }

    /// The scan of index `i`.
    pub fn scan(&self, i: usize) -> Option<&Scan> {
        match &self.chain.stages[i].record {
            Record::Scan(scan) => Some(scan),
            _ => None,
        }
    }

    /// What is left of the network of `run`.
    pub fn sparsity(&self, run: &Run) -> Option<&Sparsity> {
        match &self.stage(run).record {
            Record::Training(t) | Record::SparseTraining(t) => Some(&t.sparsity),
            Record::Pruning(p) => Some(&p.sparsity),
            Record::Finetuning(f) => Some(&f.sparsity),
            _ => None,
        }
    }

    /// Every packed network, by run.
    pub fn packed(&self) -> impl Iterator<Item = Packed<'_>> {
        self.runs.iter().flat_map(|run| self.packed_of(run))
    }

    /// What was packed of `run`.
    pub fn packed_of<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = Packed<'a>> {
        let deployment = |&i: &usize| {
            let stage = &self.chain.stages[i];
            match &stage.record {
                Record::Deployment(of) => Some(Packed { run, of, speeds: &stage.timings.speeds }),
                _ => None,
            }
        };
        run.packed.iter().filter_map(deployment)
    }

    /// The packed file of `run` that is fastest on large batches; the first if none was timed.
    pub fn fastest_of<'a>(&'a self, run: &'a Run) -> Option<Packed<'a>> {
        let time = |p: &Packed| throughput(p).map_or(f64::INFINITY, |speed| speed.milliseconds);
        self.packed_of(run).min_by(|a, b| time(a).total_cmp(&time(b)))
    }

    /// The network's name of the report: that of the first run or scan that has one.
    pub fn network(&self) -> &str {
        let runs = self.runs.iter().map(|r| r.stage);
        let mut all = runs.chain(self.scans.iter().copied());
        all.find_map(|i| self.chain.stages[i].manifest.network.as_ref())
            .map_or("a network", |n| n.spec.as_str())
    }
}

/// A trainer or pruner that another given run came from, or that it is held against, has its rows in that run's group.
fn shown_by_another(chain: &Chain, networks: &[usize], index: usize) -> bool {
    let step = matches!(chain.stages[index].record, Record::Training(_) | Record::Pruning(_));
    let shows = |n: usize| chain.lineage(n).contains(&index) || beside(chain, n) == Some(index);
    step && networks.iter().any(|&n| n != index && shows(n))
}

/// Each packed network that was given, with its checkpoint. Its file is what the manifest says.
fn packed(chain: &Chain) -> Result<Vec<(usize, usize)>> {
    let is_packed = |i: &usize| matches!(chain.stages[*i].record, Record::Deployment(_));
    let with_checkpoint = |i: usize| {
        let stage = &chain.stages[i];
        stage.manifest.verified(&stage.folder, names::PACKED)?;
        Ok((i, chain.packed_from(i)?))
    };
    chain.given.iter().copied().filter(is_packed).map(with_checkpoint).collect()
}

/// Checkpoints that were given, themselves or packed, in that order and once each.
fn networks(chain: &Chain, packed: &[(usize, usize)]) -> Vec<usize> {
    let mut all = Vec::new();
    for &index in &chain.given {
        let network = packed.iter().find(|p| p.0 == index).map_or(index, |p| p.1);
        if !all.contains(&network) && !matches!(chain.stages[network].record, Record::Scan(_)) {
            all.push(network);
        }
    }
    all
}

fn run(chain: &Chain, stage: usize, label: String) -> Result<Run> {
    let lineage = chain.lineage(stage);
    let has_model = |i: &&usize| chain.stages[**i].manifest.has(names::MODEL);
    let is_training = |i: &&usize| matches!(chain.stages[**i].record, Record::Training(_));
    Ok(Run {
        stage,
        dense: lineage.iter().rev().find(is_training).copied().or_else(|| beside(chain, stage)),
        before: lineage.iter().rev().find(has_model).copied().unwrap_or(stage),
        label,
        layers: layers(&chain.stages[stage])?,
        packed: vec![],
    })
}

/// The dense training that was given beside the network of `stage`, which was sparse from its training on: of the same
/// network on the same data, if there is one and no other.
fn beside(chain: &Chain, stage: usize) -> Option<usize> {
    let spec = |i: usize| chain.stages[i].manifest.network.as_ref().map(|n| &n.spec);
    let data = |i: usize| {
        let inputs = &chain.stages[i].manifest.inputs;
        inputs.iter().find(|input| input.role == "dataset").map(|input| &input.sha256)
    };
    let sparse = |i: &usize| matches!(chain.stages[*i].record, Record::SparseTraining(_));
    let first = chain.lineage(stage).into_iter().rev().find(sparse)?;
    let fits = |i: &usize| {
        matches!(chain.stages[*i].record, Record::Training(_))
            && spec(*i) == spec(first)
            && data(*i) == data(first)
    };
    let mut all = chain.given.iter().copied().filter(fits);
    all.next().filter(|_| all.next().is_none())
}

fn layers(stage: &Stage) -> Result<Vec<Layer>> {
    match (&stage.record, &stage.manifest.network) {
        (Record::Pruning(p), _) => Ok(p.layers.clone()),
        (Record::Finetuning(f), _) => Ok(f.layers.clone()),
        (Record::SparseTraining(t), _) => Ok(t.layers.clone()),
        (_, Some(network)) => {
            let graph = Graph::of(network)?;
            Ok(sparsity::layers(&graph, &Masks::default(), |_| "dense".into()))
        }
        (_, None) => Ok(vec![]),
    }
}

/// The shortest ends of `paths`, in whole folder names, that tell them apart.
fn labels(paths: &[&str]) -> Vec<String> {
    let end = |path: &str, parts: usize| {
        let all: Vec<&str> = path.split('/').filter(|p| *p != "..").collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let deepest = paths.iter().map(|p| p.split('/').count()).max().unwrap_or(1);
    let at = |parts: usize| -> Vec<String> { paths.iter().map(|p| end(p, parts)).collect() };
    let distinct = |labels: &Vec<String>| {
        let set: std::collections::BTreeSet<&String> = labels.iter().collect();
        set.len() == labels.len()
    };
    (1..=deepest).map(at).find(distinct).unwrap_or_else(|| at(deepest))
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn labels_are_short_and_distinct() {
        let check = |paths: &[&str], expected: &[&str]| assert_eq!(labels(paths), expected);
        check(&["../a/tuned"], &["tuned"]);
        check(&["../s50/tuned", "../s90/tuned"], &["s50/tuned", "s90/tuned"]);
        check(&["../x/s50", "../x/s90"], &["s50", "s90"]);
        check(&[], &[]);
    }
}
