//! The default command: from a checkpoint to a pruned one.

use artifact::manifest::digest_of;
use artifact::record::{Pruning, Scoring, Sparsity};
use artifact::tensors::{self, Tensors};
use artifact::{Error, Manifest, Named, names, size};
use method::{MethodDefaults, MethodFlags};
use serde::Serialize;
use sparsity::allocation::Target;
use sparsity::score::Source;
use sparsity::{Checkpoint, Choice, Current, Method, Plan, Structure, prune_biases};
use stage::{Common, Job, Produce};

use crate::cli::Prune;
use crate::table;

/// The settings that change the result; a plan is an input.
#[derive(Serialize)]
struct Config<'a> {
    sparsity: Option<f64>,
    allocation: Option<&'static str>,
    score: &'static str,
    // Artifacts made before there were blocks and floors do not name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    structure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_at_least: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_density: Option<f64>,
    exclude: &'a [String],
    bias_entries: u64,
    rate: Option<f64>,
}

/// Prunes as `flags` say.
///
/// All is decided before the artifact is begun, so that what cannot be done leaves nothing behind.
pub fn run(
    (flags, own): (&Prune, &MethodFlags),
    shared: (&Common, &Produce),
) -> anyhow::Result<()> {
    let mut checkpoint = Checkpoint::open(&flags.checkpoint)?;
    let (biases, seed) = (flags.bias_entries > 0, shared.1.seed);
    let method = own.method(&checkpoint.graph, biases, MethodDefaults::default(), seed)?;
    let measured = measured(flags, &method, &checkpoint)?;
    let choice =
        choose(flags, &method, Current { measured: measured.as_ref(), ..checkpoint.current() })?;
    choice.masks.apply(&mut checkpoint.tensors);
    let mut inputs = vec![("checkpoint", flags.checkpoint.as_path())];
    inputs.extend(flags.plan.as_deref().map(|plan| ("plan", plan)));
    inputs.extend(flags.scores.as_deref().map(|scores| ("scores", scores)));
    let config = config((flags, own), &method);
    let begun = Job::start(shared, "pruner", &config, &inputs)?;
    let Some(job) = begun else {
        return Ok(());
    };
    write(&job, &checkpoint, &choice)?;
    let result = describe((flags, &method), &checkpoint, &choice, &job)?;
    table::show(&result);
    job.finish(Some(checkpoint.network()), &result, &[names::MODEL, names::MASK])?;
    Ok(())
}

fn config<'a>((flags, own): (&'a Prune, &'a MethodFlags), method: &Method) -> Config<'a> {
    Config {
        sparsity: flags.sparsity,
        allocation: flags.plan.is_none().then_some(method.allocation.name()),
        score: method.ranking.score.name(),
        structure: Some(own.structure).filter(|own| *own != Structure::Weight).map(Named::name),
        keep_at_least: Some(own.keep_at_least).filter(|floor| *floor > 0),
        min_density: Some(own.min_density).filter(|floor| *floor > 0.0),
        exclude: &own.exclude,
        bias_entries: flags.bias_entries,
        rate: flags.rate,
    }
}

/// The scores of --scores, which must be those of `checkpoint` by the method.
fn measured(
    flags: &Prune,
    method: &Method,
    checkpoint: &Checkpoint,
) -> artifact::Result<Option<Tensors>> {
    let Some(folder) = &flags.scores else { return Ok(None) };
    let score = method.ranking.score.name();
    let bad = |what: String| Error::Config(format!("--scores {}: {what}", folder.display()));
    if method.ranking.score.source() == Source::Weights {
        return Err(bad(format!("has no effect with --score {score}, which is not measured")));
    }
    let manifest = Manifest::read(folder)?;
    if !manifest.has(names::IMPORTANCE) {
        return Err(bad(format!(
            "made by {}; expected an artifact of scanner scores",
            manifest.stage
        )));
    }
    let found: Scoring = manifest.result(folder)?;
    if found.score != score {
        return Err(bad(format!("has {} scores; expected {score} scores", found.score)));
    }
    let of = manifest.inputs.iter().find(|input| input.role == "checkpoint");
    let (of, own) =
        (of.map_or("none", |input| input.sha256.as_str()), digest_of(&checkpoint.folder)?);
    if of != own {
        return Err(bad(format!(
            "was measured on another checkpoint (digest {of}); {} has {own}; measure the scores again",
            checkpoint.folder.display()
        )));
    }
    let path = manifest.verified(folder, names::IMPORTANCE)?;
    let (tensors, _) = tensors::read(&path)?;
    let table: Vec<_> =
        checkpoint.graph.prunable().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    tensors::check_table(&tensors, &table, &path)?;
    Ok(Some(tensors))
}

fn choose(flags: &Prune, method: &Method, current: Current) -> artifact::Result<Choice> {
    let mut choice = match (&flags.plan, flags.sparsity) {
        (Some(path), _) => method.ranking.by_plan(current, &Plan::read(path, current.graph)?),
        (None, Some(sparsity)) => {
            method.ranking.structure.check("--sparsity", sparsity)?;
            method.prune(current, Target { sparsity, rate: flags.rate })
        }
        (None, None) => unreachable!("clap requires --sparsity or --plan"),
    }?;
    prune_biases(current, flags.bias_entries, &method.excluded, &mut choice.masks)?;
    Ok(choice)
}

fn write(job: &Job, pruned: &Checkpoint, choice: &Choice) -> artifact::Result<()> {
    let masks: Tensors = choice.masks.tensors(&pruned.graph);
    tensors::write(&job.path(names::MODEL), &pruned.tensors, None)?;
    tensors::write(&job.path(names::MASK), &masks, None)
}

/// The record of the pruned network as it was written.
fn describe(
    (flags, method): (&Prune, &Method),
    pruned: &Checkpoint,
    choice: &Choice,
    job: &Job,
) -> artifact::Result<Pruning> {
    let graph = &pruned.graph;
    let sparsity: Sparsity = sparsity::count(graph, &pruned.tensors, &choice.masks);
    let reason = |p: &graph::Param| choice.reasons.get(&p.name).cloned().unwrap_or_default();
    let layers = sparsity::layers(graph, &choice.masks, reason);
    let weights: u64 = layers.iter().map(|l| l.pruned).sum();
    let record = method::record(method, "");
    Ok(Pruning {
        score: record.score,
        structure: record.structure,
        allocation: flags.plan.as_ref().map_or(record.allocation, |_| "plan".to_owned()),
        target: flags.sparsity,
        round: choice.round,
        bias_pruned: choice.masks.pruned() - weights,
        sizes: size::measure(&job.path(names::MODEL), sparsity.nonzero)?,
        sparsity,
        layers,
    })
}
