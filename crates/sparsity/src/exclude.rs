//! Which parameters a list of patterns names.

use artifact::pattern::matches;
use artifact::{Error, Result, nearest};
use graph::{Graph, Param, Role};

/// The parameters of `graph` that `patterns` keep from being pruned, in the network's order:
/// prunable weights and, where `biases` are pruned, these.
///
/// # Errors
/// [`Error::Config`] for a pattern that names none, and where nothing is left to prune.
pub fn excluded(patterns: &[String], graph: &Graph, biases: bool) -> Result<Vec<String>> {
    let weights = || graph.prunable().map(|p| p.name.as_str());
    let all: Vec<&str> = graph
        .params()
        .iter()
        .filter(|p| (biases && p.role == Role::Bias) || weights().any(|name| name == p.name))
        .map(|p| p.name.as_str())
        .collect();
    let known = |pattern: &str| {
        let bias = |p: &&Param| p.role == Role::Bias && matches(pattern, &p.name);
        !biases && graph.params().iter().any(|p| bias(&p))
    };
    if let Some(idle) =
        patterns.iter().find(|p| !all.iter().any(|name| matches(p, name)) && known(p))
    {
        return Err(Error::Config(format!(
            "--exclude {idle}: has no effect: biases are pruned with --bias-entries alone"
        )));
    }
    if let Some(idle) = patterns.iter().find(|p| !all.iter().any(|name| matches(p, name))) {
        return Err(Error::Config(format!(
            "--exclude {idle}: {} has no such prunable parameter{}; * stands for any text",
            graph.name(),
            nearest::hint(idle, all.iter().copied())
        )));
    }
    let found: Vec<&str> =
        all.iter().copied().filter(|name| patterns.iter().any(|p| matches(p, name))).collect();
    if weights().all(|name| found.contains(&name)) {
        return Err(Error::Config(format!(
            "--exclude {}: leaves no weight of {} to prune",
            patterns.join(","),
            graph.name()
        )));
    }
    Ok(found.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], biases: bool, expected: &str) {
        let graph = Graph::build("resnet18", 10, 32).expect("in the zoo");
        let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
        let found = excluded(&patterns, &graph, biases);
        let found = found.map_or_else(|e| e.to_string(), |n| n.join(" "));
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn names_come_in_order_and_idle_patterns_are_refused() {
        let all = "conv1.weight linear.weight linear.bias";
        check(&["linear.*", "conv1.weight"], true, all);
        check(&["linear.*"], false, "linear.weight");
        check(&[], false, "");
        check(&["bn*"], true, "--exclude bn*: resnet18 has no such prunable parameter");
        check(
            &["layer*", "linear.wieght"],
            false,
            "--exclude linear.wieght: resnet18 has no such prunable parameter (did you mean \
             linear.weight?)",
        );
    }

    #[test]
    fn a_pattern_that_keeps_nothing_or_all_is_refused() {
        check(
            &["linear.bias"],
            false,
            "--exclude linear.bias: has no effect: biases are pruned with",
        );
        check(&["linear.bias"], true, "linear.bias");
        check(&["*"], false, "--exclude *: leaves no weight of resnet18 to prune");
    }
}
