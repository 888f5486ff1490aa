//! A ratio a layer, as a person or `pruner plan` wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::pattern::matches;
use artifact::{Error, Result, nearest, yaml};
use graph::{Graph, Param};
use serde::Deserialize;

use crate::{Choice, Current, Ranking, Structure, weights};

/// The share of each layer's weights to prune.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// By the name of the layer's weight; a layer without a ratio stays whole.
    layers: BTreeMap<String, f64>,
}

/// `layers: {backbone.conv4.weight: 0.30, backbone.conv?.weight: 0.5, ...}`: ratios by name, or by
/// a pattern in which `*` stands for any text and `?` for one character.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    layers: Option<BTreeMap<String, f64>>,
}

impl Plan {
    /// Reads the plan at `path` and checks it against `graph`.
    ///
    /// A layer that is named in full has that ratio, whatever pattern fits it too.
    ///
    /// # Errors
    /// [`Error::Config`] for a plan that names no layers, another key than `layers`, a name or
    /// pattern that `graph` has no layer for or that decides nothing, a layer that two patterns fit,
    /// and a ratio outside `[0, 1]`.
    pub fn read(path: &Path, graph: &Graph) -> Result<Self> {
        let written: Option<Written> = yaml::read(path)?;
        let bad = |what: String| Error::Config(format!("{}: {what}", path.display()));
        let layers = written.and_then(|w| w.layers).unwrap_or_default();
        if layers.is_empty() {
            return Err(bad(
                "the plan names no layers; expected `layers:` and below it a ratio a layer, such as \
                 `  backbone.conv4.weight: 0.30`"
                    .into(),
            ));
        }
        resolved(&layers, graph).map(|layers| Self { layers }).map_err(bad)
    }

    /// The ratio of the layer `name`, where the plan has one; elsewhere it is 0.
    pub fn ratio(&self, name: &str) -> Option<f64> {
        self.layers.get(name).copied()
    }

    /// How many weights of `param` the plan prunes.
    pub fn pruned(&self, param: &Param) -> u64 {
        weights(self.ratio(&param.name).unwrap_or(0.0), param.count() as u64)
    }
}

impl Ranking {
    /// Prunes each layer by its own ratio; a layer of which it prunes nothing stays as it came.
    ///
    /// # Errors
    /// [`Error::Config`] where the plan prunes a layer that has no units, or more of it than floors let go.
    pub fn by_plan(self, current: Current, plan: &Plan) -> Result<Choice> {
        self.check(current)?;
        let mut masks = current.masks.clone();
        for param in current.graph.prunable() {
            let Some(ratio) = plan.ratio(&param.name) else { continue };
            if ratio > 0.0 {
                let own = self.units(current.graph, param)?;
                if let Structure::Nm(nm) = self.structure {
                    self.structure.check(&format!("{}: ratio", param.name), ratio)?;
                    let mask = self.nm_mask(current, &own, nm, ratio)?;
                    masks.insert(&param.name, mask);
                    continue;
                }
                let k = weights(ratio, own.units.count() as u64);
                if k > 0 {
                    self.prune(current, &own, k, &mut masks)?;
                }
            }
        }
        let reason = |p: &Param| (p.name.clone(), of_plan(plan.ratio(&p.name)));
        let reasons = current.graph.prunable().map(reason).collect();
        Ok(Choice { masks, reasons, round: None })
    }
}

/// The reason of a layer whose plan says `ratio`, or nothing.
fn of_plan(ratio: Option<f64>) -> String {
    match ratio {
        None => "not in the plan".to_owned(),
        // Two decimals, or as many as it has.
        Some(r) if r.to_string().len() <= "0.00".len() => format!("plan: {r:.2}"),
        Some(r) => format!("plan: {r}"),
    }
}

/// The ratio of each layer of `graph` that `written` names or that one of its patterns fits.
fn resolved(
    written: &BTreeMap<String, f64>,
    graph: &Graph,
) -> Result<BTreeMap<String, f64>, String> {
    let mut layers = BTreeMap::new();
    // Which of the entries decided a layer; the others had no effect.
    let mut effective: Vec<&str> = vec![];
    for name in graph.prunable().map(|p| p.name.as_str()) {
        if let Some((entry, ratio)) = entry(written, name)? {
            layers.insert(name.to_owned(), ratio);
            effective.push(entry);
        }
    }
    for (key, ratio) in written {
        if !(0.0..=1.0).contains(ratio) {
            return Err(format!("{key}: ratio {ratio}; expected a share from 0 to 1"));
        }
        if !effective.contains(&key.as_str()) {
            return Err(format!("{key}: {}", idle(key, graph)));
        }
    }
    Ok(layers)
}

/// The entry of `written` that decides the layer `name`.
fn entry<'a>(
    written: &'a BTreeMap<String, f64>,
    name: &str,
) -> Result<Option<(&'a str, f64)>, String> {
    if let Some((key, ratio)) = written.get_key_value(name) {
        return Ok(Some((key, *ratio)));
    }
    let mut fitting = written.iter().filter(|(pattern, _)| matches(pattern, name));
    match (fitting.next(), fitting.next()) {
        (Some((one, _)), Some((other, _))) => Err(format!(
            "{one} and {other}: both fit {name}; name that layer in full, or write patterns that do not overlap"
        )),
        (one, _) => Ok(one.map(|(key, ratio)| (key.as_str(), *ratio))),
    }
}

/// Why the entry `key` decides no layer.
fn idle(key: &str, graph: &Graph) -> String {
    let names = || graph.prunable().map(|p| p.name.as_str());
    if names().any(|name| matches(key, name)) {
        return "has no effect: each layer that it fits is named in full as well".to_owned();
    }
    let hint = nearest::hint(key, names());
    format!("{} has no such prunable weight{hint}; * stands for any text", graph.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Plan> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("plan.yaml");
        artifact::file::write(&path, text.as_bytes()).expect("writes");
        Plan::read(&path, &Graph::build("vgg-lab", 10, 32).expect("in the zoo"))
    }

    #[test]
    fn ratios_in_words() {
        let found = [Some(0.7), Some(0.925), Some(1.0), None].map(of_plan);
        assert_eq!(found, ["plan: 0.70", "plan: 0.925", "plan: 1.00", "not in the plan"]);
    }

    #[test]
    fn ratios_become_counts_and_the_unnamed_stay_whole() {
        let graph = Graph::build("vgg-lab", 10, 32).expect("in the zoo");
        let plan = found("layers: {backbone.conv0.weight: 0.3, classifier.weight: 1}").expect("ok");
        let counts: Vec<u64> = graph.prunable().map(|p| plan.pruned(p)).collect();
        assert_eq!(counts, [518, 0, 0, 0, 0, 0, 0, 0, 5120]);
        assert_eq!(plan.ratio("backbone.conv1.weight"), None);
    }

    #[test]
    fn doubtful_plans_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = found(text).expect_err("doubtful");
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        check(
            "layers: {backbone.conv4.wieght: 0.3}",
            "backbone.conv4.wieght: vgg-lab has no such prunable weight (did you mean \
             backbone.conv4.weight?); * stands for any text",
        );
        check("layers: {backbone.bn0.weight: 0.3}", "no such prunable weight");
        for ratio in ["-0.1", "1.2", ".nan", ".inf", "90"] {
            check(&format!("layers: {{classifier.weight: {ratio}}}"), "expected a share");
        }
        check("layers: {classifier.weight: half}", "invalid type");
        check("layers:\n  classifier.weight: 0\n  classifier.weight: 0\n", "stands twice");
        check("layers: {}\nlayer: {}", "unknown field `layer`");
    }

    #[test]
    fn a_plan_that_names_nothing_is_refused() {
        for text in
            ["", "# nothing yet\n", "---\n", "{}", "layers:\n", "layers: {}\n", "layers: ~\n"]
        {
            let error = found(text).expect_err("it names no layer");
            assert_eq!(error.exit_code(), 3, "{text:?}");
            assert!(error.to_string().contains("plan.yaml: the plan names no layers"), "{error}");
        }
    }

    #[test]
    fn patterns_stand_for_the_layers_that_are_not_named_in_full() {
        let plan = found("layers: {backbone.conv*.weight: 0.5, backbone.conv0.weight: 0.25}");
        let plan = plan.expect("a name beats a pattern");
        assert_eq!(plan.ratio("backbone.conv0.weight"), Some(0.25));
        assert_eq!(plan.ratio("backbone.conv7.weight"), Some(0.5));
        assert_eq!(plan.ratio("classifier.weight"), None);
        let plan = found("layers: {backbone.conv?.weight: 0.5, 'class*': 1}").expect("apart");
        assert_eq!(plan.ratio("classifier.weight"), Some(1.0));
    }

    #[test]
    fn patterns_that_decide_nothing_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = found(text).expect_err("doubtful").to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        };
        check("layers: {'backbone.cnv*.weight': 0.5}", "has no such prunable weight");
        check("layers: {'backbone.bn*': 0.5}", "has no such prunable weight");
        check(
            "layers: {'class*': 0.5, classifier.weight: 0.5}",
            "class*: has no effect: each layer",
        );
        check(
            "layers: {'backbone.*': 0.5, '*conv0.weight': 0.4}",
            "*conv0.weight and backbone.*: both fit backbone.conv0.weight",
        );
        check("layers: {'backbone.*': 2}", "backbone.*: ratio 2; expected a share from 0 to 1");
    }
}
