//! Why a layer is as sparse as it is, in words.

use std::collections::BTreeMap;

use graph::{Graph, Param};
use sparsity::{Masks, schedule};

use crate::choice::{ParamUnits, Ranking, Target, tally};
use crate::cli::{Scope, Score};

/// Of a layer whose plan says `ratio`, or nothing.
pub fn of_plan(ratio: Option<f64>) -> String {
    match ratio {
        None => "not in the plan".to_owned(),
        // Two decimals, or as many as it has.
        Some(r) if r.to_string().len() <= "0.00".len() => format!("plan: {r:.2}"),
        Some(r) => format!("plan: {r}"),
    }
}

/// The reasons of a target.
#[derive(Clone, Copy)]
pub struct Reasons<'a> {
    /// What was asked for.
    pub target: &'a Target,
    /// What was ranked, and by what.
    pub ranking: Ranking,
    /// The round, where one of a schedule was asked for.
    pub round: Option<usize>,
    /// What was decided.
    pub masks: &'a Masks,
}

impl Reasons<'_> {
    /// That of every prunable weight, by name; `all` are those that have units.
    pub fn of(&self, graph: &Graph, all: &[ParamUnits]) -> BTreeMap<String, String> {
        let excluded = |p: &Param| self.target.excluded.contains(&p.name);
        let open: Vec<ParamUnits> = all.iter().copied().filter(|o| !excluded(o.param)).collect();
        let whole = share(self.masks, &open);
        let reason = |param: &Param| {
            if excluded(param) {
                return "excluded".to_owned();
            }
            match all.iter().find(|o| o.param.name == param.name) {
                None => format!("grouped convolution: no {}", self.ranking.structure.plural()),
                Some(own) => {
                    format!("{}{}", self.prefix(), self.ranked(share(self.masks, &[*own]), whole))
                }
            }
        };
        graph.prunable().map(|p| (p.name.clone(), reason(p))).collect()
    }

    fn prefix(&self) -> String {
        match (self.round, self.target.rate) {
            (Some(round), Some(rate)) => {
                format!("round {round} of {}, ", schedule::rounds(rate, self.target.sparsity))
            }
            _ => String::new(),
        }
    }

    /// `own` is the pruned share of the layer, `all` that of the layers ranked together.
    fn ranked(&self, own: f64, all: f64) -> String {
        let (own, all) = (percent(own), percent(all));
        let (target, units) = (self.target, self.ranking.structure.plural());
        let whose = if target.excluded.is_empty() { "all" } else { "all not excluded" };
        match (target.scope, self.ranking.score) {
            (Scope::Global, Score::Magnitude) => format!(
                "global magnitude: {own} of its {units} are among the smallest {all} of {whose}"
            ),
            (Scope::Global, Score::Random) => {
                format!(
                    "global random: {own} of its {units} are among {all} of {whose} drawn by lot"
                )
            }
            (Scope::Layer, Score::Magnitude) => {
                format!("layer magnitude: the smallest {own} of its {units}")
            }
            (Scope::Layer, Score::Random) => {
                format!("layer random: {own} of its {units} drawn by lot")
            }
        }
    }
}

fn share(masks: &Masks, open: &[ParamUnits]) -> f64 {
    let (pruned, total) = tally(masks, open);
    pruned as f64 / total.max(1) as f64
}

/// `93.1 %`, and `90 %` where the decimal is 0.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparsity::{Mask, Structure};

    fn check(target: &Target, ranking: Ranking, round: Option<usize>, expected: &str) {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let open = |param| ParamUnits {
            param,
            units: ranking.structure.units(&graph, param).expect("some"),
        };
        let all: Vec<ParamUnits> = graph.prunable().take(2).map(open).collect();
        let mut masks = Masks::default();
        masks.insert(&all[0].param.name, Mask::new((0..54).map(|i| i >= 27).collect()));
        let reasons = Reasons { target, ranking, round, masks: &masks }.of(&graph, &all);
        assert_eq!(reasons[&all[0].param.name], expected);
    }

    #[test]
    fn reasons_name_scope_score_structure_and_round() {
        let target = |scope, rate, excluded: &[&str]| Target {
            sparsity: 0.9,
            rate,
            scope,
            excluded: excluded.iter().map(|&e| e.to_owned()).collect(),
        };
        let by = |score| Ranking { score, structure: Structure::Weight, seed: 0 };
        check(
            &target(Scope::Global, None, &[]),
            by(Score::Magnitude),
            None,
            "global magnitude: 50 % of its weights are among the smallest 21.4 % of all",
        );
        check(
            &target(Scope::Global, Some(0.11), &["backbone.conv1.weight"]),
            by(Score::Random),
            Some(3),
            "round 3 of 20, global random: 50 % of its weights are among 50 % of all not excluded \
             drawn by lot",
        );
        let layer = target(Scope::Layer, None, &[]);
        check(
            &layer,
            by(Score::Magnitude),
            None,
            "layer magnitude: the smallest 50 % of its weights",
        );
        let blocks = Ranking { structure: Structure::Block4, ..by(Score::Magnitude) };
        // The first output's weights are gone, one block a place of the kernel.
        check(&layer, blocks, None, "layer magnitude: the smallest 50 % of its blocks of four");
        check(
            &target(Scope::Layer, None, &["backbone.conv0.weight"]),
            by(Score::Random),
            None,
            "excluded",
        );
        let found = [Some(0.7), Some(0.925), Some(1.0), None].map(of_plan);
        assert_eq!(found, ["plan: 0.70", "plan: 0.925", "plan: 1.00", "not in the plan"]);
    }
}
