//! Why a layer is as sparse as it is, in words.

use std::collections::BTreeMap;

use graph::Param;
use sparsity::{Masks, schedule};

use crate::choice::Target;
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

/// Of every layer of `params`, by name, after `masks` were made for `target`.
pub fn of_target(
    params: &[&Param],
    target: &Target,
    score: Score,
    round: Option<usize>,
    masks: &Masks,
) -> BTreeMap<String, String> {
    let open: Vec<&Param> =
        params.iter().copied().filter(|p| !target.excluded.contains(&p.name)).collect();
    let all = share(&open, masks);
    let reason = |param: &Param| {
        if target.excluded.contains(&param.name) {
            return "excluded".to_owned();
        }
        format!("{}{}", prefix(target, round), ranked(target, score, (share(&[param], masks), all)))
    };
    params.iter().map(|p| (p.name.clone(), reason(p))).collect()
}

fn prefix(target: &Target, round: Option<usize>) -> String {
    match (round, target.rate) {
        (Some(round), Some(rate)) => {
            format!("round {round} of {}, ", schedule::rounds(rate, target.sparsity))
        }
        _ => String::new(),
    }
}

/// `own` is the pruned share of the layer, `all` that of the layers ranked together.
fn ranked(target: &Target, score: Score, (own, all): (f64, f64)) -> String {
    let (own, all) = (percent(own), percent(all));
    let whose = if target.excluded.is_empty() { "all" } else { "all not excluded" };
    match (target.scope, score) {
        (Scope::Global, Score::Magnitude) => {
            format!(
                "global magnitude: {own} of its weights are among the smallest {all} of {whose}"
            )
        }
        (Scope::Global, Score::Random) => {
            format!("global random: {own} of its weights are among {all} of {whose} drawn by lot")
        }
        (Scope::Layer, Score::Magnitude) => {
            format!("layer magnitude: the smallest {own} of its weights")
        }
        (Scope::Layer, Score::Random) => {
            format!("layer random: {own} of its weights drawn by lot")
        }
    }
}

fn share(params: &[&Param], masks: &Masks) -> f64 {
    let pruned: u64 = params.iter().map(|p| masks.pruned_of(&p.name)).sum();
    let total: usize = params.iter().map(|p| p.count()).sum();
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
    use graph::Graph;
    use sparsity::Mask;

    fn check(target: &Target, score: Score, round: Option<usize>, expected: &str) {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let params: Vec<&Param> = graph.prunable().take(2).collect();
        let mut masks = Masks::default();
        masks.insert(&params[0].name, Mask::new((0..54).map(|i| i >= 27).collect()));
        let reasons = of_target(&params, target, score, round, &masks);
        assert_eq!(reasons[&params[0].name], expected);
    }

    #[test]
    fn reasons_name_scope_score_and_round() {
        let target = |scope, rate, excluded: &[&str]| Target {
            sparsity: 0.9,
            rate,
            scope,
            excluded: excluded.iter().map(|&e| e.to_owned()).collect(),
        };
        check(
            &target(Scope::Global, None, &[]),
            Score::Magnitude,
            None,
            "global magnitude: 50 % of its weights are among the smallest 21.4 % of all",
        );
        check(
            &target(Scope::Global, Some(0.11), &["backbone.conv1.weight"]),
            Score::Random,
            Some(3),
            "round 3 of 20, global random: 50 % of its weights are among 50 % of all not excluded \
             drawn by lot",
        );
        let layer = target(Scope::Layer, None, &[]);
        check(&layer, Score::Magnitude, None, "layer magnitude: the smallest 50 % of its weights");
        check(
            &target(Scope::Layer, None, &["backbone.conv0.weight"]),
            Score::Random,
            None,
            "excluded",
        );
        let found = [Some(0.7), Some(0.925), Some(1.0), None].map(of_plan);
        assert_eq!(found, ["plan: 0.70", "plan: 0.925", "plan: 1.00", "not in the plan"]);
    }
}
