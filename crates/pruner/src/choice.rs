//! Which weights go: the masks and each layer's reason, from a checkpoint and a target.

use std::collections::BTreeMap;

use artifact::{Error, Result};
use graph::{Param, Role};
use sparsity::select::{self, Candidates};
use sparsity::{Checkpoint, Masks, Plan, Structure, Units, schedule, weights};

use crate::cli::{Scope, Score};
use crate::reason::{self, Reasons};

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

/// What is ranked, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Ranking {
    /// The score.
    pub score: Score,
    /// The unit of pruning.
    pub structure: Structure,
    /// Seed of random scores.
    pub seed: u64,
}

/// A sparsity and how to get there.
#[derive(Debug)]
pub struct Target {
    /// Share of the units that is pruned at the end.
    pub sparsity: f64,
    /// Share of what remains that this round prunes; all at once without.
    pub rate: Option<f64>,
    /// Which weights are ranked together.
    pub scope: Scope,
    /// Names of parameters that stay as they are.
    pub excluded: Vec<String>,
}

/// A parameter and its units.
#[derive(Clone, Copy)]
pub struct ParamUnits<'a> {
    /// The parameter.
    pub param: &'a Param,
    /// How its weights fall into units.
    pub units: Units,
}

impl ParamUnits<'_> {
    /// Pruned and all units under `masks`.
    pub fn tally(&self, masks: &Masks) -> (u64, u64) {
        let mask = masks.get(&self.param.name).map(|mask| self.units.unit_mask(mask));
        (mask.map_or(0, |mask| mask.pruned()), self.units.count() as u64)
    }
}

impl Ranking {
    fn scores(self, checkpoint: &Checkpoint, open: &ParamUnits) -> Vec<f32> {
        let ParamUnits { param, units } = open;
        match self.score {
            Score::Magnitude => units.sums(&sparsity::magnitude(checkpoint.values(&param.name))),
            Score::Random => sparsity::random(&param.name, units.count(), self.seed),
        }
    }

    /// `param`, if it has units.
    fn open<'a>(self, checkpoint: &Checkpoint, param: &'a Param) -> Result<ParamUnits<'a>> {
        let units = self.structure.units(&checkpoint.graph, param)?;
        Ok(ParamUnits { param, units })
    }

    /// All prunable parameters that have units.
    fn all(self, checkpoint: &Checkpoint) -> Result<Vec<ParamUnits<'_>>> {
        let all = checkpoint.graph.prunable().filter_map(|p| self.open(checkpoint, p).ok());
        let all: Vec<ParamUnits> = all.collect();
        if all.is_empty() {
            return Err(Error::Config(format!(
                "no layer of {} has {}; prune single weights (--structure weight)",
                checkpoint.graph.name(),
                self.structure.plural()
            )));
        }
        Ok(all)
    }
}

impl Target {
    fn excludes(&self, param: &Param) -> bool {
        self.excluded.contains(&param.name)
    }

    /// How many of `total` units are to be pruned now, where `pruned` are.
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
    let all = ranking.all(checkpoint)?;
    let (fixed, open): (Vec<ParamUnits>, Vec<ParamUnits>) =
        all.iter().copied().partition(|o| target.excludes(o.param));
    // A layer's sparsity is of the layers in play, a global one is of the whole network.
    let counted = if target.scope == Scope::Global { &all } else { &open };
    let mut masks = checkpoint.masks.clone();
    let round = target.round(tally(&masks, counted));
    match target.scope {
        Scope::Global => {
            let k = target.of(tally(&masks, &all));
            let k = without(k, tally(&masks, &fixed).0, ranking.structure)?;
            global(checkpoint, &open, k, ranking, &mut masks)
        }
        Scope::Layer => open.iter().try_for_each(|o| {
            let k = target.of(tally(&masks, &[*o]));
            global(checkpoint, &[*o], k, ranking, &mut masks)
        }),
    }?;
    let reasons = Reasons { target, ranking, round, masks: &masks }.of(&checkpoint.graph, &all);
    Ok(Choice { masks, reasons, round })
}

/// Prunes each layer by its own ratio; a layer of which it prunes nothing stays as it came.
///
/// # Errors
/// [`Error::Config`] where the plan prunes a layer that has no units.
pub fn by_plan(checkpoint: &Checkpoint, plan: &Plan, ranking: Ranking) -> Result<Choice> {
    let mut masks = checkpoint.masks.clone();
    for param in checkpoint.graph.prunable() {
        let Some(ratio) = plan.ratio(&param.name) else { continue };
        if ratio > 0.0 {
            let open = ranking.open(checkpoint, param)?;
            let k = weights(ratio, open.units.count() as u64);
            if k > 0 {
                global(checkpoint, &[open], k, ranking, &mut masks)?;
            }
        }
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
    let structure = Structure::Weight;
    let ranking = Ranking { score: Score::Magnitude, structure, seed: 0 };
    let open = |p: &&Param| p.role == Role::Bias && !excluded.contains(&p.name);
    if entries == 0 {
        return Ok(());
    }
    for param in checkpoint.graph.params().iter().filter(open) {
        let open = ranking.open(checkpoint, param)?;
        global(checkpoint, &[open], entries, ranking, masks)?;
    }
    Ok(())
}

/// Prunes exactly `k` units of all `open` together.
fn global(
    checkpoint: &Checkpoint,
    open: &[ParamUnits],
    k: u64,
    ranking: Ranking,
    masks: &mut Masks,
) -> Result<()> {
    let scores: Vec<_> = open.iter().map(|o| ranking.scores(checkpoint, o)).collect();
    let before =
        |o: &ParamUnits| checkpoint.masks.get(&o.param.name).map(|mask| o.units.unit_mask(mask));
    let before: Vec<_> = open.iter().map(before).collect();
    let candidates = open.iter().zip(&scores).zip(&before).map(|((o, scores), before)| {
        Candidates { name: &o.param.name, scores, before: before.as_ref() }
    });
    let chosen = select::global(&candidates.collect::<Vec<_>>(), k)?;
    for (o, units) in open.iter().zip(chosen) {
        let mask = o.units.weight_mask(&units, checkpoint.masks.get(&o.param.name));
        if mask.pruned() > 0 {
            masks.insert(&o.param.name, mask);
        }
    }
    Ok(())
}

/// Pruned and all units of `open`.
pub fn tally(masks: &Masks, open: &[ParamUnits]) -> (u64, u64) {
    let each = open.iter().map(|o| o.tally(masks));
    each.fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1))
}

/// What is left of the target `k` for the others where `fixed` units are pruned in excluded layers.
fn without(k: u64, fixed: u64, structure: Structure) -> Result<u64> {
    k.checked_sub(fixed).ok_or_else(|| {
        Error::Config(format!(
            "{fixed} {} are pruned already in excluded layers, more than the target of {k} in all; \
             ask for a higher sparsity",
            structure.plural()
        ))
    })
}
