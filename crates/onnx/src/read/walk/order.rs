//! The operators that an output needs, each behind those that it reads.

use std::collections::BTreeMap;

use super::super::constant::Found;
use crate::proto::Graph;

/// Numbers of operators in topological order; names that no operator makes are left to be found later.
pub fn order(graph: &Graph, output: &str) -> Found<Vec<usize>> {
    let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
    for (site, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|n| !n.is_empty()) {
            if makers.insert(name, site).is_some() {
                return Err(format!("two operators make the value {name}"));
            }
        }
    }
    let last = makers.get(output);
    let last = *last.ok_or_else(|| format!("no operator makes the output {output}"))?;
    let mut states = vec![State::New; graph.node.len()];
    let (mut order, mut stack) = (vec![], vec![(last, 0)]);
    states[last] = State::Open;
    while let Some((site, next)) = stack.pop() {
        let Some(input) = graph.node[site].input.get(next) else {
            states[site] = State::Done;
            order.push(site);
            continue;
        };
        stack.push((site, next + 1));
        let Some(&maker) = makers.get(input.as_str()) else { continue };
        match states[maker] {
            State::Done => {}
            State::Open => return Err(format!("a cycle: {input} depends on itself")),
            State::New => {
                states[maker] = State::Open;
                stack.push((maker, 0));
            }
        }
    }
    // As the file has them, where it keeps the order that it should.
    let mut sorted = order.clone();
    sorted.sort_unstable();
    let behind = |&site: &usize| {
        let read = graph.node[site].input.iter().filter_map(|name| makers.get(name.as_str()));
        read.into_iter().all(|maker| *maker < site)
    };
    Ok(if sorted.iter().all(behind) { sorted } else { order })
}

/// Whether all that read the images put their last dimension first: they are height x width x channels.
pub fn is_channels_last(graph: &Graph, images: &str) -> bool {
    let mut readers = graph.node.iter().filter(|n| n.input.iter().any(|i| i == images)).peekable();
    readers.peek().is_some()
        && readers
            .all(|n| n.op_type == "Transpose" && n.attribute.iter().any(|a| a.ints == [0, 3, 1, 2]))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}
