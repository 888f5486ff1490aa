//! Which weights go: the masks and each layer's reason, from a checkpoint and a target.

use std::collections::BTreeMap;

use artifact::{Error, Result};
use graph::{Param, Role};
use sparsity::select::{self, Candidates};
use sparsity::{Checkpoint, Masks, Plan, schedule, weights};

use crate::cli::{Scope, Score};
use crate::reason;

/// What was decided.
#[derive(Debug)]
pub struct Choice {
    /// The masks, those of the checkpoint included.
    pub masks: Masks,
    /// Why, by name of each prunable weight.
    pub reasons: BTreeMap<String, String>,
    /// The round, where one of a schedule was asked for.
    pub round: Option<usize>,
}

/// What ranks weights.
#[derive(Debug, Clone, Copy)]
pub struct Ranking {
    /// The score.
    pub score: Score,
    /// Seed of random scores.
    pub seed: u64,
}

/// A sparsity and how to get there.
#[derive(Debug)]
pub struct Target {
    /// Share of the weights that is pruned at the end.
    pub sparsity: f64,
    /// Share of what remains that this round prunes; all at once without.
    pub rate: Option<f64>,
    /// Which weights are ranked together.
    pub scope: Scope,
    /// Names of parameters that stay as they are.
    pub excluded: Vec<String>,
}

impl Ranking {
    fn scores(self, checkpoint: &Checkpoint, param: &Param) -> Vec<f32> {
        match self.score {
            Score::Magnitude => sparsity::magnitude(checkpoint.values(&param.name)),
            Score::Random => sparsity::random(&param.name, param.count(), self.seed),
        }
    }
}

impl Target {
    fn excludes(&self, param: &Param) -> bool {
        self.excluded.contains(&param.name)
    }

    /// How many of `total` weights are to be pruned now, where `pruned` are.
    fn of(&self, (pruned, total): (u64, u64)) -> u64 {
        match self.rate {
            None => weights(self.sparsity, total),
            Some(rate) => schedule::next_target(pruned, total, rate, self.sparsity),
        }
    }

    fn round(&self, (pruned, total): (u64, u64)) -> Option<usize> {
        self.rate.map(|rate| schedule::round(pruned, total, rate, self.sparsity))
    }
}

/// Prunes to `target`.
pub fn by_target(checkpoint: &Checkpoint, target: &Target, ranking: Ranking) -> Result<Choice> {
    let (fixed, open): (Vec<&Param>, Vec<&Param>) =
        checkpoint.graph.prunable().partition(|p| target.excludes(p));
    let all: Vec<&Param> = checkpoint.graph.prunable().collect();
    // A layer's sparsity is of the layers in play, a global one is of the whole network.
    let counted = if target.scope == Scope::Global { &all } else { &open };
    let round = target.round(tally(checkpoint, counted));
    let mut masks = checkpoint.masks.clone();
    match target.scope {
        Scope::Global => {
            let k = target.of(tally(checkpoint, &all));
            global(checkpoint, &open, without(k, tally(checkpoint, &fixed).0)?, ranking, &mut masks)
        }
        Scope::Layer => open.iter().try_for_each(|p| {
            one(checkpoint, p, target.of(tally(checkpoint, &[p])), ranking, &mut masks)
        }),
    }?;
    let reasons = reason::of_target(&all, target, ranking.score, round, &masks);
    Ok(Choice { masks, reasons, round })
}

/// Prunes each layer by its own ratio; a layer of which it prunes nothing stays as it came.
pub fn by_plan(checkpoint: &Checkpoint, plan: &Plan, ranking: Ranking) -> Result<Choice> {
    let mut masks = checkpoint.masks.clone();
    for param in checkpoint.graph.prunable().filter(|p| plan.pruned(p) > 0) {
        one(checkpoint, param, plan.pruned(param), ranking, &mut masks)?;
    }
    let reason = |p: &Param| (p.name.clone(), reason::of_plan(plan.ratio(&p.name)));
    let reasons = checkpoint.graph.prunable().map(reason).collect();
    Ok(Choice { masks, reasons, round: None })
}

/// Prunes the `entries` smallest of each bias that is not excluded; 0 leaves them as they are.
pub fn biases(
    checkpoint: &Checkpoint,
    entries: u64,
    excluded: &[String],
    masks: &mut Masks,
) -> Result<()> {
    let ranking = Ranking { score: Score::Magnitude, seed: 0 };
    let open = |p: &&Param| p.role == Role::Bias && !excluded.contains(&p.name);
    let mut params = checkpoint.graph.params().iter().filter(open);
    match entries {
        0 => Ok(()),
        _ => params.try_for_each(|p| one(checkpoint, p, entries, ranking, masks)),
    }
}

fn one(
    checkpoint: &Checkpoint,
    param: &Param,
    k: u64,
    ranking: Ranking,
    masks: &mut Masks,
) -> Result<()> {
    global(checkpoint, &[param], k, ranking, masks)
}

/// Prunes exactly `k` of all `params` together.
fn global(
    checkpoint: &Checkpoint,
    params: &[&Param],
    k: u64,
    ranking: Ranking,
    masks: &mut Masks,
) -> Result<()> {
    let scores: Vec<_> = params.iter().map(|p| ranking.scores(checkpoint, p)).collect();
    let candidates: Vec<Candidates> = params
        .iter()
        .zip(&scores)
        .map(|(p, scores)| Candidates {
            name: &p.name,
            scores,
            before: checkpoint.masks.get(&p.name),
        })
        .collect();
    for (param, mask) in params.iter().zip(select::global(&candidates, k)?) {
        if mask.pruned() > 0 {
            masks.insert(&param.name, mask);
        }
    }
    Ok(())
}

/// Pruned and all weights of `params`.
fn tally(checkpoint: &Checkpoint, params: &[&Param]) -> (u64, u64) {
    params.iter().fold((0, 0), |(pruned, total), p| {
        (pruned + checkpoint.masks.pruned_of(&p.name), total + p.count() as u64)
    })
}

/// What is left of the target `k` for the others where `fixed` weights are pruned in excluded layers.
fn without(k: u64, fixed: u64) -> Result<u64> {
    k.checked_sub(fixed).ok_or_else(|| {
        Error::Config(format!(
            "{fixed} weights of excluded layers are pruned already, the target is {k} in all; ask \
             for more sparsity"
        ))
    })
}
