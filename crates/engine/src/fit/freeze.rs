//! Which parameters stay as they are, by patterns of their names.

use std::collections::BTreeSet;

use artifact::pattern::matches;
use artifact::{Error, Result, nearest};
use graph::{Graph, Param};

/// For each parameter of the table whether one of `patterns` names it.
///
/// # Errors
/// `Config` where a pattern names no trainable parameter, or the patterns all of them.
pub(super) fn frozen(graph: &Graph, patterns: &[String]) -> Result<Vec<bool>> {
    let names = || graph.params().iter().filter(|p| p.trainable()).map(|p| p.name.as_str());
    if let Some(pattern) = patterns.iter().find(|pattern| !names().any(|n| matches(pattern, n))) {
        return Err(Error::Config(format!(
            "--freeze {pattern}: {} has no such parameter{}",
            graph.name(),
            hint(pattern, &names().collect::<Vec<_>>())
        )));
    }
    let of = |p: &Param| patterns.iter().any(|pattern| matches(pattern, &p.name));
    let frozen: Vec<bool> = graph.params().iter().map(of).collect();
    if graph.params().iter().zip(&frozen).all(|(p, frozen)| *frozen || !p.trainable()) {
        return Err(Error::Config(format!(
            "--freeze {}: every parameter of {} is frozen; expected some that are left to train",
            patterns.join(","),
            graph.name()
        )));
    }
    Ok(frozen)
}

/// The nearest name or layer, or what all names begin with.
fn hint(pattern: &str, names: &[&str]) -> String {
    let layers = names.iter().flat_map(|n| n.match_indices('.').map(|(at, _)| &n[..at]));
    let layers: BTreeSet<String> = layers.map(|layer| format!("{layer}.*")).collect();
    let found =
        nearest::hint(pattern, layers.iter().map(String::as_str).chain(names.iter().copied()));
    if !found.is_empty() {
        return found;
    }
    let tops: BTreeSet<&str> = names.iter().filter_map(|n| n.split('.').next()).collect();
    format!(" (names begin with {})", tops.into_iter().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], expected: &str) {
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let found = match frozen(&graph, &patterns) {
            Ok(all) => all.iter().filter(|frozen| **frozen).count().to_string(),
            Err(e) => format!("{}: {e}", e.exit_code()),
        };
        assert!(found.contains(expected), "{patterns:?}: {found} lacks {expected}");
    }

    #[test]
    fn patterns_name_parameters() {
        check(&[], "0");
        check(&["classifier.*"], "2");
        check(&["backbone.conv0.weight", "classifier.b*"], "2");
        check(&["backbone.bn0.*"], "4");
    }

    #[test]
    fn what_names_nothing_or_all_is_refused() {
        let none = "3: --freeze backbne.*: vgg-lab@0.03 has no such parameter";
        check(&["classifier.*", "backbne.*"], none);
        check(&["backbne.*"], "did you mean backbone.*?");
        check(&["classifier"], "did you mean classifier.*?");
        check(&["backbone.conv0.wieght"], "did you mean backbone.conv0.weight?");
        check(&["x"], "names begin with backbone, classifier");
        check(&["*.running_mean"], "has no such parameter");
        check(&["*"], "3: --freeze *: every parameter of vgg-lab@0.03 is frozen");
        check(&["backbone.*", "classifier.*"], "--freeze backbone.*,classifier.*: every");
    }
}
