//! The default command: from a checkpoint to a pruned one.

use artifact::record::{Pruning, Sparsity};
use artifact::tensors::{self, Tensors};
use artifact::{names, size};
use serde::Serialize;
use sparsity::{Checkpoint, Plan};
use stage::{Common, Job, Produce};

use crate::choice::{self, Choice, Ranking, Target};
use crate::cli::{Prune, Scope, Score, Structure};
use crate::{selector, table};

/// The settings that change the result; a plan is an input.
#[derive(Serialize)]
struct Config<'a> {
    sparsity: Option<f64>,
    scope: Option<Scope>,
    score: Score,
    /// Artifacts made before there were blocks do not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    structure: Option<Structure>,
    exclude: &'a [String],
    bias_entries: u64,
    rate: Option<f64>,
}

/// Prunes as `flags` say.
///
/// All is decided before the artifact is begun, so that what cannot be done leaves nothing behind.
pub fn run(flags: &Prune, shared: (&Common, &Produce)) -> anyhow::Result<()> {
    let mut checkpoint = Checkpoint::open(&flags.checkpoint)?;
    let choice = choose(flags, shared.1.seed, &checkpoint)?;
    choice.masks.apply(&mut checkpoint.tensors);
    let mut inputs = vec![("checkpoint", flags.checkpoint.as_path())];
    inputs.extend(flags.plan.as_deref().map(|plan| ("plan", plan)));
    let config = config(flags);
    let begun = Job::start(shared, "pruner", &config, &inputs)?;
    let Some(job) = begun else {
        return Ok(());
    };
    write(&job, &checkpoint, &choice)?;
    let result = describe(flags, &checkpoint, &choice, &job)?;
    table::show(&result);
    job.finish(Some(checkpoint.network()), &result, &[names::MODEL, names::MASK])?;
    Ok(())
}

fn config(flags: &Prune) -> Config<'_> {
    Config {
        sparsity: flags.sparsity,
        scope: flags.plan.is_none().then_some(flags.scope),
        score: flags.score,
        structure: Some(flags.structure).filter(|structure| *structure != Structure::Weight),
        exclude: &flags.exclude,
        bias_entries: flags.bias_entries,
        rate: flags.rate,
    }
}

fn choose(flags: &Prune, seed: u64, checkpoint: &Checkpoint) -> artifact::Result<Choice> {
    let structure = flags.structure.of_masks();
    let ranking = Ranking { score: flags.score, structure, seed };
    let excluded = selector::named(&flags.exclude, &checkpoint.graph, flags.bias_entries > 0)?;
    let mut choice = match (&flags.plan, flags.sparsity) {
        (Some(path), _) => {
            choice::by_plan(checkpoint, &Plan::read(path, &checkpoint.graph)?, ranking)
        }
        (None, Some(sparsity)) => {
            let (rate, scope) = (flags.rate, flags.scope);
            let target = Target { sparsity, rate, scope, excluded: excluded.clone() };
            choice::by_target(checkpoint, &target, ranking)
        }
        (None, None) => unreachable!("clap requires --sparsity or --plan"),
    }?;
    choice::biases(checkpoint, flags.bias_entries, &excluded, &mut choice.masks)?;
    Ok(choice)
}

fn write(job: &Job, pruned: &Checkpoint, choice: &Choice) -> artifact::Result<()> {
    let masks: Tensors = choice.masks.tensors(&pruned.graph);
    tensors::write(&job.path(names::MODEL), &pruned.tensors, None)?;
    tensors::write(&job.path(names::MASK), &masks, None)
}

/// The record of the pruned network as it was written.
fn describe(
    flags: &Prune,
    pruned: &Checkpoint,
    choice: &Choice,
    job: &Job,
) -> artifact::Result<Pruning> {
    let graph = &pruned.graph;
    let sparsity: Sparsity = sparsity::count(graph, &pruned.tensors, &choice.masks);
    let reason = |p: &graph::Param| choice.reasons.get(&p.name).cloned().unwrap_or_default();
    let layers = sparsity::layers(graph, &choice.masks, reason);
    let weights: u64 = layers.iter().map(|l| l.pruned).sum();
    Ok(Pruning {
        score: flags.score.name().into(),
        structure: flags.structure.name().into(),
        scope: scope(flags).into(),
        target: flags.sparsity,
        round: choice.round,
        bias_pruned: choice.masks.pruned() - weights,
        sizes: size::measure(&job.path(names::MODEL), sparsity.nonzero)?,
        sparsity,
        layers,
    })
}

fn scope(flags: &Prune) -> &'static str {
    match (&flags.plan, flags.scope) {
        (Some(_), _) => "plan",
        (None, Scope::Global) => "global",
        (None, Scope::Layer) => "layer",
    }
}
