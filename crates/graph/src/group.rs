//! Operations that are computed together: a convolution, the norm behind it, the sum with another
//! branch and the activation, as far as each is read by the next alone.

use crate::{Activation, Graph, Op};

/// Operations computed together; `core` is one of any kind, the others follow it in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The first node.
    pub core: usize,
    /// Nodes that make an affine function of each channel: batch norms, and in inference scales and
    /// shifts. `core` itself is the first where the group begins with one. In training there is one at
    /// most.
    pub norms: Vec<usize>,
    /// The node whose output is added.
    pub add: Option<usize>,
    /// The activation that follows.
    pub activation: Option<Activation>,
    /// The last node, whose output is the group's.
    pub head: usize,
}

/// What a walk over the groups is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Dropout and stochastic depth are operations of their own; of activations those are part of a
    /// group whose gradient follows from their output.
    Training,
    /// Dropout and stochastic depth leave everything as it is: groups go across them.
    Inference,
}

/// All nodes but the input in groups, in the order of their last nodes.
pub fn groups(graph: &Graph, walk: Walk) -> Vec<Group> {
    let mut readers = vec![vec![]; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        node.inputs.iter().for_each(|&input| readers[input].push(i));
    }
    let mut grouping = Grouping { graph, walk, readers, taken: vec![false; graph.nodes().len()] };
    let mut all: Vec<Group> = vec![];
    for core in 1..graph.nodes().len() {
        if !grouping.taken[core] {
            all.push(grouping.group(core));
        }
    }
    all.sort_by_key(|g| g.head);
    all
}

struct Grouping<'a> {
    graph: &'a Graph,
    walk: Walk,
    /// Who reads each node.
    readers: Vec<Vec<usize>>,
    taken: Vec<bool>,
}

impl Grouping<'_> {
    fn group(&mut self, core: usize) -> Group {
        let op = self.graph.nodes()[core].op;
        let norms = if self.is_affine(op) { vec![core] } else { vec![] };
        let mut group = Group { core, norms, add: None, activation: None, head: core };
        self.taken[core] = true;
        if !self.begins(op) {
            return group;
        }
        while let [next] = self.readers[group.head][..] {
            if self.taken[next] || !self.takes(&mut group, next) {
                break;
            }
            self.taken[next] = true;
            group.head = next;
        }
        group
    }

    /// Whether anything can follow `op` in a group.
    fn begins(&self, op: Op) -> bool {
        matches!(op, Op::Conv(_) | Op::Linear(_) | Op::Add) || self.is_affine(op)
    }

    /// Whether `op` is a norm of a group.
    fn is_affine(&self, op: Op) -> bool {
        match op {
            Op::BatchNorm(_) => true,
            Op::Scale(_) | Op::Shift(_) => self.walk == Walk::Inference,
            _ => false,
        }
    }

    /// Makes `next`, which alone reads the head of `group`, part of it where it can be.
    fn takes(&self, group: &mut Group, next: usize) -> bool {
        let (node, core) = (&self.graph.nodes()[next], self.graph.nodes()[group.core].op);
        let inference = self.walk == Walk::Inference;
        match node.op {
            op if self.is_affine(op) => {
                let room = inference || group.norms.is_empty();
                let fits = room && core != Op::Add && group.add.is_none();
                if fits && group.activation.is_none() {
                    group.norms.push(next);
                    return true;
                }
                false
            }
            Op::Add if group.add.is_none() && group.activation.is_none() && core != Op::Add => {
                let [a, b] = node.inputs[..] else { return false };
                group.add = Some(if a == group.head { b } else { a });
                true
            }
            Op::Activation(activation) if group.activation.is_none() => {
                let fits = inference || activation.is_undone_by_output();
                group.activation = fits.then_some(activation);
                fits
            }
            Op::Dropout(_) | Op::StochasticDepth(_) => inference,
            Op::Flatten => inference && self.graph.nodes()[group.head].shape.is_vector(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: &str, expected: &[(&str, &str)]) {
        let graph = Graph::build(spec, 10, 32).expect("in the zoo");
        let name = |n: usize| graph.nodes()[n].name.as_str();
        let all = groups(&graph, Walk::Training);
        let found: Vec<_> = all.iter().map(|g| (name(g.core), name(g.head))).collect();
        for pair in expected {
            assert!(found.contains(pair), "{pair:?} is not in {found:?}");
        }
        let in_group = |g: &Group| {
            let norms = g.norms.iter().filter(|n| **n != g.core).count();
            1 + norms + usize::from(g.add.is_some()) + usize::from(g.activation.is_some())
        };
        let nodes: usize = all.iter().map(in_group).sum();
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
        // Its gradient takes what it read, so that in training it is by itself.
        assert_eq!(found(Walk::Training, "features.0.0"), "features.0.1");
        assert_eq!(found(Walk::Inference, "features.0.0"), "features.0.2");
    }

    #[test]
    fn inference_takes_every_factor_and_summand() {
        let text = "secateur-graph 1\ninput = input channels=2 height=4 width=4\n\
                    a = shift(input)\nb = scale(a)\nc = relu6(b)\nd = conv(c) outputs=3 kernel=4\n\
                    e = batch-norm(d)\nf = scale(e)\ng = sigmoid(f)\n";
        let graph = Graph::parse(text, "test", "test").expect("a graph");
        let shapes = |walk| {
            let all = groups(&graph, walk);
            all.iter().map(|g| (g.core, g.norms.clone(), g.head)).collect::<Vec<_>>()
        };
        let inference = vec![(1, vec![1, 2], 3), (4, vec![5, 6], 7)];
        assert_eq!(shapes(Walk::Inference), inference);
        let alone = |n| (n, vec![], n);
        let training = vec![alone(1), alone(2), alone(3), (4, vec![5], 5), alone(6), alone(7)];
        assert_eq!(shapes(Walk::Training), training);
    }
}
