//! Which parameters a list of patterns names.

use artifact::pattern::matches;
use artifact::{Error, Result, nearest};
use graph::{Graph, Role};

/// The weights and biases of `graph` that `patterns` name, in the network's order.
///
/// # Errors
/// [`Error::Config`] for a pattern that names none.
pub fn named(patterns: &[String], graph: &Graph) -> Result<Vec<String>> {
    let open = |role: Role| matches!(role, Role::Weight | Role::Bias);
    let all: Vec<&str> =
        graph.params().iter().filter(|p| open(p.role)).map(|p| p.name.as_str()).collect();
    if let Some(idle) = patterns.iter().find(|p| !all.iter().any(|name| matches(p, name))) {
        return Err(Error::Config(format!(
            "--exclude {idle}: {} has no such weight or bias{}; * stands for any text",
            graph.spec(),
            nearest::hint(idle, all.iter().copied())
        )));
    }
    let found = all.iter().filter(|name| patterns.iter().any(|p| matches(p, name)));
    Ok(found.map(|&name| name.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_order_and_idle_patterns_are_refused() {
        let graph = Graph::build("resnet18", 10, 32).expect("in the zoo");
        let check = |patterns: &[&str], expected: &str| {
            let patterns: Vec<String> = patterns.iter().map(|&p| p.to_owned()).collect();
            let found = named(&patterns, &graph).map_or_else(|e| e.to_string(), |n| n.join(" "));
            assert!(found.starts_with(expected), "{found}");
        };
        check(&["linear.*", "conv1.weight"], "conv1.weight linear.weight linear.bias");
        check(&[], "");
        check(&["bn*"], "--exclude bn*: resnet18 has no such weight or bias");
        check(
            &["*", "linear.wieght"],
            "--exclude linear.wieght: resnet18 has no such weight or bias (did you mean \
             linear.weight?)",
        );
    }
}
