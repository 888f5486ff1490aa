//! Operations that are computed together: a convolution, the norm behind it, the sum with another
//! branch and the activation, as far as each is read by the next alone.

use crate::{Graph, Op};

/// Operations computed together; `core` is one of any kind, the others follow it in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// The first node.
    pub core: usize,
    /// A batch norm; `core` itself where the group begins with one.
    pub norm: Option<usize>,
    /// The node whose output is added.
    pub add: Option<usize>,
    /// Whether an activation follows.
    pub relu: bool,
    /// The last node, whose output is the group's.
    pub head: usize,
}

/// What a walk over the groups is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Dropout and stochastic depth are operations of their own.
    Training,
    /// They leave everything as it is: groups go across them.
    Inference,
}

/// All nodes but the input in groups, in the order of their last nodes.
pub fn groups(graph: &Graph, walk: Walk) -> Vec<Group> {
    let mut taken = vec![false; graph.nodes().len()];
    let mut all = Vec::new();
    for core in 1..taken.len() {
        if !taken[core] {
            all.push(group(graph, core, walk, &mut taken));
        }
    }
    all.sort_by_key(|g: &Group| g.head);
    all
}

fn group(graph: &Graph, core: usize, walk: Walk, taken: &mut [bool]) -> Group {
    let op = |n: usize| graph.nodes()[n].op;
    let is_norm = op(core) == Op::BatchNorm;
    let mut group =
        Group { core, norm: is_norm.then_some(core), add: None, relu: false, head: core };
    taken[core] = true;
    let fuses = matches!(op(core), Op::Conv(_) | Op::Linear(_) | Op::BatchNorm | Op::Add);
    while let Some(next) = sole_reader(graph, group.head).filter(|n| fuses && !taken[*n]) {
        match op(next) {
            Op::BatchNorm if group.head == core && group.norm.is_none() && op(core) != Op::Add => {
                group.norm = Some(next);
            }
            Op::Add if group.add.is_none() && !group.relu && op(core) != Op::Add => {
                let [a, b] = graph.nodes()[next].inputs[..] else { break };
                group.add = Some(if a == group.head { b } else { a });
            }
            Op::Relu if !group.relu => group.relu = true,
            Op::Dropout(_) | Op::StochasticDepth(_) if walk == Walk::Inference => {}
            _ => break,
        }
        taken[next] = true;
        group.head = next;
    }
    group
}

/// The node that alone reads `node`, once.
fn sole_reader(graph: &Graph, node: usize) -> Option<usize> {
    let mut readers = graph
        .nodes()
        .iter()
        .enumerate()
        .flat_map(|(i, n)| n.inputs.iter().filter(|input| **input == node).map(move |_| i));
    match (readers.next(), readers.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: &str, expected: &[(&str, &str)]) {
        let graph = Graph::build(spec, 10, 32).expect("in the zoo");
        let name = |n: usize| graph.nodes()[n].name.as_str();
        let found: Vec<_> =
            groups(&graph, Walk::Training).iter().map(|g| (name(g.core), name(g.head))).collect();
        for pair in expected {
            assert!(found.contains(pair), "{pair:?} is not in {found:?}");
        }
        let nodes: usize = groups(&graph, Walk::Training)
            .iter()
            .map(|g| {
                let norm = usize::from(g.norm.is_some_and(|n| n != g.core));
                1 + norm + usize::from(g.add.is_some()) + usize::from(g.relu)
            })
            .sum();
        assert_eq!(nodes, graph.nodes().len() - 1, "every node is in one group");
    }

    #[test]
    fn convolution_to_activation() {
        let first = ("backbone.conv0", "backbone.relu0");
        check("vgg-lab", &[first, ("backbone.pool0", "backbone.pool0")]);
    }

    #[test]
    fn the_branch_added_stays_apart() {
        let [main, skip] = ["layer2.0.conv2", "layer2.0.shortcut.0"];
        check("resnet18", &[(main, "layer2.0.relu2"), (skip, "layer2.0.shortcut.1")]);
    }

    #[test]
    fn inference_goes_across_what_only_trains() {
        let graph = Graph::build("efficientnet-b0", 10, 64).expect("in the zoo");
        let found = |walk, core: &str| {
            let name = |n: usize| graph.nodes()[n].name.as_str();
            let all = groups(&graph, walk);
            let group = all.iter().find(|g| name(g.core) == core).expect("a group");
            name(group.head).to_owned()
        };
        let project = "features.2.1.block.3.0";
        assert_eq!(found(Walk::Training, project), "features.2.1.block.3.1");
        assert_eq!(found(Walk::Inference, project), "features.2.1.add");
    }
}
