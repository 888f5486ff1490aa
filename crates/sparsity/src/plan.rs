//! A ratio a layer, as a person or `pruner plan` wrote it.

use std::collections::BTreeMap;
use std::path::Path;

use artifact::{Error, Result, nearest, yaml};
use graph::{Graph, Param};
use serde::Deserialize;

use crate::weights;

/// `layers: {backbone.conv4.weight: 0.30, ...}`: the share of each layer's weights to prune.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    layers: BTreeMap<String, f64>,
}

impl Plan {
    /// Reads the plan at `path` and checks it against `graph`.
    ///
    /// # Errors
    /// [`Error::Config`] for another key than `layers`, a layer that stands twice or that `graph`
    /// does not have, and a ratio outside `[0, 1]`.
    pub fn read(path: &Path, graph: &Graph) -> Result<Self> {
        let plan: Self = yaml::read(path)?;
        for (layer, ratio) in &plan.layers {
            check(layer, *ratio, graph)
                .map_err(|what| Error::Config(format!("{}: {layer}: {what}", path.display())))?;
        }
        Ok(plan)
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

fn check(layer: &str, ratio: f64, graph: &Graph) -> Result<(), String> {
    if !graph.prunable().any(|p| p.name == layer) {
        let hint = nearest::hint(layer, graph.prunable().map(|p| p.name.as_str()));
        return Err(format!("{} has no such prunable weight{hint}", graph.spec()));
    }
    if !(0.0..=1.0).contains(&ratio) {
        return Err(format!("ratio {ratio}; expected a share from 0 to 1"));
    }
    Ok(())
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
             backbone.conv4.weight?)",
        );
        check("layers: {backbone.bn0.weight: 0.3}", "no such prunable weight");
        for ratio in ["-0.1", "1.2", ".nan", ".inf", "90"] {
            check(&format!("layers: {{classifier.weight: {ratio}}}"), "expected a share");
        }
        check("layers: {classifier.weight: half}", "invalid type");
        check("layers:\n  classifier.weight: 0\n  classifier.weight: 0\n", "stands twice");
        check("layers: {}\nlayer: {}", "unknown field `layer`");
        check("{}", "missing field `layers`");
    }
}
