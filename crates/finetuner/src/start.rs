//! Where fine-tuning starts: the pruned checkpoint, and the weights that are trained.

use std::path::Path;

use anyhow::Result;
use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, names};
use clap::ValueEnum;
use engine::Early;
use serde::Serialize;
use sparsity::Checkpoint;

/// The values of `--rewind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rewind {
    /// Nothing: the pruned weights are trained on
    None,
    /// The learning rate's schedule; the weights stay (Renda et al. 2020)
    Lr,
    /// The kept weights and the schedule (Frankle et al. 2019)
    Weights,
}

/// What is trained: the pruned weights, or others under their masks.
pub struct Begin {
    /// What goes back to an early step.
    pub rewind: Rewind,
    /// Whether the weights are drawn anew.
    pub reinit: bool,
    /// The run's seed.
    pub seed: u64,
}

impl Begin {
    /// The weights under the masks of `start`, and the steps of the schedule that lie behind them;
    /// `early` is the dense run to rewind to.
    pub fn at(&self, start: &Checkpoint, early: Option<&Path>) -> Result<(Tensors, usize)> {
        let early = match (self.rewind, early) {
            (Rewind::None, Some(_)) => {
                let what = "--rewind-from: nothing is rewound; say --rewind weights or lr";
                return Err(Error::Config(what.into()).into());
            }
            (_, None) => None,
            (_, Some(folder)) => Some(Early::read(folder, &start.graph)?),
        };
        let skipped = early.as_ref().map_or(0, |e| e.step);
        let mut tensors = match early {
            Some(early) if self.rewind == Rewind::Weights => early.tensors,
            _ if self.reinit => self.drawn(start),
            _ => start.tensors.clone(),
        };
        start.masks.apply(&mut tensors);
        Ok((tensors, skipped))
    }

    /// First values of another stream than the dense run's, which may have the same seed.
    fn drawn(&self, start: &Checkpoint) -> Tensors {
        let drawn = graph::initial(&start.graph, self.seed ^ seed::fnv1a64("reinit"));
        let named = start.graph.params().iter().zip(drawn);
        named.map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect()
    }
}

/// The checkpoint in `folder`. If `pruned` is set, it must have a mask file, which may hold no mask: a plan may prune
/// nothing.
pub fn open(folder: &Path, pruned: bool) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::open(folder)?;
    if pruned && !checkpoint.manifest.has(names::MASK) {
        return Err(Error::Config(format!(
            "{}: holds no masks; expected a pruned checkpoint (made by pruner), or --prune, which prunes while it trains",
            folder.display()
        ))
        .into());
    }
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use artifact::tensors;
    use artifact::yaml::Value;
    use artifact::{Begun, Finished, Manifest, Staging, Timings, manifest};
    use graph::Graph;

    /// Commits a network without a pruned weight, and opens it.
    fn opened(stage: &str, mask: bool) -> Result<Checkpoint> {
        let dir = tempfile::tempdir()?;
        let (out, graph) = (dir.path().join("a"), Graph::build("vgg-lab@0.03", 10, 32)?);
        let (stage, seed, config, inputs) = (stage.to_owned(), 1, Value::Null, vec![]);
        let begun = Begun { stage, seed, config, inputs, fresh: true };
        let staging = Staging::open(&out, &begun)?;
        let named = graph.params().iter().zip(graph::initial(&graph, 1));
        let weights: Tensors =
            named.map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
        tensors::write(&staging.folder().join(names::MODEL), &weights, None)?;
        let mut outputs = vec![names::MODEL.to_owned()];
        if mask {
            tensors::write(&staging.folder().join(names::MASK), &Tensors::default(), None)?;
            outputs.push(names::MASK.to_owned());
        }
        let manifest = Manifest {
            format: manifest::FORMAT,
            stage: begun.stage,
            version: "0".into(),
            seed,
            network: Some(graph.network()),
            inputs: vec![],
            outputs: vec![],
            config: Value::Null,
            result: Value::Null,
        };
        staging.commit(Finished { manifest, timings: &Timings::default() }, &outputs)?;
        open(&out, true)
    }

    #[test]
    fn a_pruner_that_pruned_nothing_is_no_dense_network() {
        assert!(opened("pruner", true).expect("it has a mask file").masks.is_empty());
        let error = opened("trainer", false).err().expect("a dense network");
        assert!(error.to_string().contains("holds no masks; expected a pruned"), "{error}");
    }
}
