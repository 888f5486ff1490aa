//! What has no fast kernel, and is computed by plain loops.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use graph::{Graph, Op};

/// Names in a message, at most.
const NAMED: usize = 6;

/// Names of the nodes of `graph` that have no vectorised kernel: on the processor plain loops, shared among
/// threads, compute them, in training as in inference.
pub fn plain(graph: &Graph) -> Vec<&str> {
    graph.nodes().iter().filter(|node| is_plain(node.op)).map(|node| node.name.as_str()).collect()
}

fn is_plain(op: Op) -> bool {
    match op {
        Op::Concat | Op::Slice(_) | Op::Shuffle(_) | Op::PadChannels(_) | Op::PadBorders(_) => true,
        Op::Input
        | Op::Conv(_)
        | Op::Linear(_)
        | Op::BatchNorm(_)
        | Op::LayerNorm(_)
        | Op::Scale(_)
        | Op::Shift(_)
        | Op::Activation(_)
        | Op::MaxPool(_)
        | Op::AveragePool(_)
        | Op::AdaptiveAverage(_)
        | Op::Add
        | Op::Multiply
        | Op::Flatten
        | Op::Dropout(_)
        | Op::StochasticDepth(_) => false,
    }
}

/// Says (with -v) which nodes of `graph` are computed by plain loops: once, however often networks like it are
/// made ready.
pub fn tell_plain(graph: &Graph) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(line) = line(graph) else { return };
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !told.contains(&line) {
        tracing::debug!("{line}");
        told.insert(line);
    }
}

/// What is told; None where there is nothing to tell.
fn line(graph: &Graph) -> Option<String> {
    let names = plain(graph);
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| {
        format!(
            "{} of {} operations computed by plain loops (no fast kernel): {}{more}",
            names.len(),
            graph.nodes().len() - 1,
            names[..names.len().min(NAMED)].join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(nodes: &str) -> Option<String> {
        let text = format!(
            "secateur-graph 1\nx = input channels=4 height=1 width=1\na = relu(x)\n{nodes}"
        );
        line(&Graph::parse(&text, "test", "test").expect("a graph"))
    }

    #[test]
    fn operations_without_a_fast_kernel_are_named() {
        assert_eq!(of("b = layer-norm(a)\n"), None);
        let expected = "2 of 3 operations computed by plain loops (no fast kernel): b, c";
        let text = "b = shuffle(a) groups=2\nc = slice(b) end=2\n";
        assert_eq!(of(text).as_deref(), Some(expected));
    }

    #[test]
    fn of_many_the_first_are_named() {
        let nodes = ["a", "s0", "s1", "s2", "s3", "s4", "s5", "s6"];
        let nodes = nodes
            .iter()
            .enumerate()
            .fold(String::new(), |text, (i, x)| text + &format!("s{i} = shuffle({x}) groups=2\n"));
        let found = of(&nodes).expect("eight");
        assert!(found.ends_with("(no fast kernel): s0, s1, s2, s3, s4, s5 and 2 more"), "{found}");
    }
}
