//! A pruning method with its settings: which weights go, and each layer's reason.

use std::collections::BTreeMap;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Named, Result};
use graph::{Graph, Param};

use crate::allocation::{Goal, Layer, Target};
use crate::score::{Parameter, Source};
use crate::select::{self, Candidates};
use crate::{Allocation, Mask, Masks, Nm, Score, Structure, Units, schedule};

/// A network's present weights, and the masks that bind them.
#[derive(Debug, Clone, Copy)]
pub struct Current<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Every tensor of its parameter table, f32.
    pub tensors: &'a Tensors,
    /// What is pruned already.
    pub masks: &'a Masks,
    /// A score for each prunable weight, by the names of the table, where scores were measured.
    pub measured: Option<&'a Tensors>,
}

impl<'a> Current<'a> {
    /// The values of the parameter `name`.
    ///
    /// # Panics
    /// If the network has no such parameter.
    pub fn values(self, name: &str) -> &'a [f32] {
        let tensor = self.tensors.get(name).and_then(Tensor::as_f32);
        tensor.expect("every tensor of the table")
    }
}

/// What was decided.
#[derive(Debug)]
pub struct Choice {
    /// The masks, those before included.
    pub masks: Masks,
    /// Why, by name of each prunable weight.
    pub reasons: BTreeMap<String, String>,
    /// The round, where one of a schedule was asked for.
    pub round: Option<usize>,
}

/// What is ranked, and by what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// The score.
    pub score: Score,
    /// The unit of pruning.
    pub structure: Structure,
    /// What each layer keeps.
    pub floors: Floors,
    /// Seed of random scores.
    pub seed: u64,
}

/// What each layer keeps at least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floors {
    /// Weights.
    pub weights: u64,
    /// A share of its weights.
    pub density: f64,
}

impl Floors {
    /// No floors.
    pub const NONE: Self = Self { weights: 0, density: 0.0 };

    /// How many of `units` may be pruned.
    fn most(self, units: Units) -> u64 {
        let (total, size) = (units.count() as u64, units.size() as u64);
        let share = (self.density * total as f64).ceil() as u64;
        total.saturating_sub(self.weights.div_ceil(size).max(share))
    }
}

/// How a network is pruned to a sparsity.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// What is ranked, and by what.
    pub ranking: Ranking,
    /// How layers share what is pruned.
    pub allocation: Allocation,
    /// Names of parameters that stay as they are.
    pub excluded: Vec<String>,
}

/// A parameter and its units.
#[derive(Clone, Copy)]
pub(crate) struct ParamUnits<'a> {
    pub param: &'a Param,
    pub units: Units,
}

impl ParamUnits<'_> {
    /// Which units `masks` keep.
    pub fn mask(&self, masks: &Masks) -> Option<Mask> {
        masks.get(&self.param.name).map(|mask| self.units.unit_mask(mask))
    }

    /// Pruned and all units under `masks`.
    fn tally(&self, masks: &Masks) -> (u64, u64) {
        (self.mask(masks).map_or(0, |mask| mask.pruned()), self.units.count() as u64)
    }
}

/// The scores of a parameter's units, and which of them are left.
struct Scored {
    scores: Vec<f32>,
    before: Option<Mask>,
}

impl Ranking {
    fn scored(self, current: Current, own: &ParamUnits) -> Scored {
        let ParamUnits { param, units } = *own;
        let values = current.values(&param.name);
        let measured = current.measured.and_then(|all| all.get(&param.name)?.as_f32());
        let parameter = Parameter { name: &param.name, values, measured };
        Scored {
            scores: self.score.of(parameter, units, self.seed),
            before: own.mask(current.masks),
        }
    }

    fn candidates<'a>(self, own: &ParamUnits<'a>, scored: &'a Scored) -> Candidates<'a> {
        let Scored { scores, before } = scored;
        let most = self.floors.most(own.units);
        Candidates { most, ..Candidates::new(&own.param.name, scores, before.as_ref()) }
    }

    /// `param`, if it has units.
    pub(crate) fn units<'a>(self, graph: &Graph, param: &'a Param) -> Result<ParamUnits<'a>> {
        let units = self.structure.units(graph, param)?;
        Ok(ParamUnits { param, units })
    }

    /// Refuses a score that has to be measured and was not.
    ///
    /// # Errors
    /// [`Error::Config`] with the command that measures it.
    pub(crate) fn check(self, current: Current) -> Result<()> {
        if self.score.source() == Source::Weights || current.measured.is_some() {
            return Ok(());
        }
        Err(Error::Config(format!(
            "--score {0}: is measured on images; run scanner scores --score {0}, and give its artifact with --scores",
            self.score.name()
        )))
    }

    /// All prunable parameters that have units.
    fn all(self, graph: &Graph) -> Result<Vec<ParamUnits<'_>>> {
        let all = graph.prunable().filter_map(|p| self.units(graph, p).ok());
        let all: Vec<ParamUnits> = all.collect();
        if all.is_empty() {
            return Err(Error::Config(format!(
                "no layer of {} has {}; prune single weights (--structure weight)",
                graph.name(),
                self.structure.plural()
            )));
        }
        Ok(all)
    }

    /// Prunes exactly `k` units of one parameter.
    pub(crate) fn prune(
        self,
        current: Current,
        own: &ParamUnits,
        k: u64,
        masks: &mut Masks,
    ) -> Result<()> {
        let scored = self.scored(current, own);
        let mask = select::one(self.candidates(own, &scored), k)?;
        insert(current.masks, own, &mask, masks);
        Ok(())
    }

    /// The mask of a parameter of which each group loses as many weights as `sparsity` has it.
    pub(crate) fn nm_mask(
        self,
        current: Current,
        own: &ParamUnits,
        nm: Nm,
        sparsity: f64,
    ) -> Result<Mask> {
        let scored = self.scored(current, own);
        self.candidates(own, &scored).check()?;
        let k = nm.pruned_of_group(sparsity);
        let mask = nm.mask(own.param, &scored.scores, scored.before.as_ref(), k);
        let (pruned, most) = (mask.pruned(), self.floors.most(own.units));
        if pruned > most {
            return Err(Error::Config(format!(
                "{}: {} prunes {pruned} of {} weights, and its floor lets {most} go; ask for lower floors",
                own.param.name,
                self.structure.name(),
                mask.len()
            )));
        }
        Ok(mask)
    }
}

impl Method {
    /// Prunes to `target`. What is pruned already stays so.
    ///
    /// # Errors
    /// [`Error::Config`] where no layer has units of the structure, a score is NaN, or what is pruned already, floors or
    /// exclusions make the target impossible.
    pub fn prune(&self, current: Current, target: Target) -> Result<Choice> {
        let ranking = self.ranking;
        ranking.check(current)?;
        let (fixed, open) = self.split(current.graph)?;
        if let Structure::Nm(nm) = ranking.structure {
            return self.prune_groups(current, &open, nm, target);
        }
        let (own, rest) = (tally(current.masks, &open), tally(current.masks, &fixed));
        let (pruned, total) = (own.0 + rest.0, own.1 + rest.1);
        let uniform = self.allocation == Allocation::Uniform;
        // Uniform sparsity is of the layers in play, any other of the whole network.
        let round = if uniform { own } else { (pruned, total) };
        let round = target.round(round.0, round.1);
        let k =
            if uniform { 0 } else { without(target.of(pruned, total), rest.0, ranking.structure)? };
        let goal = Goal {
            pruned: k,
            target,
            score: ranking.score,
            structure: ranking.structure,
            excludes: !self.excluded.is_empty(),
        };
        let scored: Vec<Scored> = open.iter().map(|own| ranking.scored(current, own)).collect();
        let layers = open.iter().zip(&scored).map(|(own, scored)| Layer {
            candidates: ranking.candidates(own, scored),
            shape: &own.param.shape,
        });
        let chosen = self.allocation.choose(&layers.collect::<Vec<_>>(), &goal)?;
        let (mut masks, mut reasons) = (current.masks.clone(), self.all_untouched(current.graph));
        let prefix = match (round, target.rate) {
            (Some(round), Some(rate)) => {
                format!("round {round} of {}, ", schedule::rounds(rate, target.sparsity))
            }
            _ => String::new(),
        };
        for (own, chosen) in open.iter().zip(chosen) {
            insert(current.masks, own, &chosen.mask, &mut masks);
            reasons.insert(own.param.name.clone(), format!("{prefix}{}", chosen.reason));
        }
        Ok(Choice { masks, reasons, round })
    }

    /// Prunes as many of each group as `target` has it.
    fn prune_groups(
        &self,
        current: Current,
        open: &[ParamUnits],
        nm: Nm,
        target: Target,
    ) -> Result<Choice> {
        let sparsity = target.sparsity;
        if target.rate.is_some() {
            return Err(Error::Config(format!(
                "--rate: rounds of {} would lose less than a weight of a group; prune gradually in a training \
                 (trainer or finetuner --prune gradual)",
                self.ranking.structure.name()
            )));
        }
        let (mut masks, mut reasons) = (current.masks.clone(), self.all_untouched(current.graph));
        for own in open {
            let mask = self.ranking.nm_mask(current, own, nm, sparsity)?;
            reasons.insert(
                own.param.name.clone(),
                nm.reason(own.param, &mask, self.ranking.score, sparsity),
            );
            if mask.pruned() > 0 {
                masks.insert(&own.param.name, mask);
            }
        }
        Ok(Choice { masks, reasons, round: None })
    }

    /// Why each layer would stay as it came.
    fn all_untouched(&self, graph: &Graph) -> BTreeMap<String, String> {
        graph.prunable().map(|p| (p.name.clone(), self.untouched(graph, p))).collect()
    }

    /// The share of the units that `masks` prune: of those in play if each layer is taken by itself, else of all.
    ///
    /// # Errors
    /// [`Error::Config`] where no layer has units of the structure.
    pub fn sparsity(&self, graph: &Graph, masks: &Masks) -> Result<f64> {
        let (fixed, open) = self.split(graph)?;
        let each =
            [open.as_slice(), if self.allocation == Allocation::Uniform { &[] } else { &fixed }];
        let (pruned, total) = tally(masks, &each.concat());
        Ok(pruned as f64 / total.max(1) as f64)
    }

    /// The parameters that have units: those that stay as they are, and those in play.
    fn split<'a>(&self, graph: &'a Graph) -> Result<(Vec<ParamUnits<'a>>, Vec<ParamUnits<'a>>)> {
        let excludes = |own: &ParamUnits| self.excluded.contains(&own.param.name);
        Ok(self.ranking.all(graph)?.into_iter().partition(excludes))
    }

    /// `masks` without those of the parameters in play.
    ///
    /// # Errors
    /// [`Error::Config`] where no layer has units of the structure.
    pub fn freed(&self, graph: &Graph, masks: &Masks) -> Result<Masks> {
        let mut freed = masks.clone();
        self.open(graph)?.iter().for_each(|own| freed.remove(&own.param.name));
        Ok(freed)
    }

    /// The parameters in play.
    ///
    /// # Errors
    /// [`Error::Config`] where no layer has units of the structure.
    pub(crate) fn open<'a>(&self, graph: &'a Graph) -> Result<Vec<ParamUnits<'a>>> {
        Ok(self.split(graph)?.1)
    }

    /// Why a layer stays as it came.
    fn untouched(&self, graph: &Graph, param: &Param) -> String {
        if self.excluded.contains(&param.name) {
            return "excluded".to_owned();
        }
        let why = self.ranking.structure.lacks(graph, param);
        why.map_or_else(String::new, |why| format!("left as it is: {why}"))
    }
}

/// Keeps of a parameter the units that `kept` keeps, as far as `before` keeps their weights.
fn insert(before: &Masks, own: &ParamUnits, kept: &Mask, masks: &mut Masks) {
    let mask = own.units.weight_mask(kept, before.get(&own.param.name));
    if mask.pruned() > 0 {
        masks.insert(&own.param.name, mask);
    }
}

/// Pruned and all units of `open`.
fn tally(masks: &Masks, open: &[ParamUnits]) -> (u64, u64) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_in_units() {
        let blocks = Units::blocks_of(&[8, 16, 3, 3]);
        let check = |weights, density, units: Units, expected: u64| {
            assert_eq!(Floors { weights, density }.most(units), expected, "{weights} {density}");
        };
        check(0, 0.0, blocks, 288);
        // Ten weights are three blocks of four.
        check(10, 0.0, blocks, 285);
        // 1 % of 288 blocks, rounded up, is three.
        check(0, 0.01, blocks, 285);
        check(4, 0.5, blocks, 144);
        check(5000, 0.0, blocks, 0);
    }
}
