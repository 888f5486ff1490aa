//! Every combination of score, structure, allocation and floors prunes exactly what was asked for.

use artifact::Named;
use artifact::tensors::{Tensor, Tensors};
use graph::{Graph, Param};
use proptest::prelude::*;
use sparsity::allocation::Target;
use sparsity::{
    Allocation, Choice, Current, Floors, Masks, Method, Ranking, Score, Structure, Units, weights,
};

/// A network with three input channels, convolutions of one and nine positions, groups and a linear layer.
const NETWORK: &str = "secateur-graph 1
input = input channels=3 height=8 width=8
a = conv(input) outputs=10 kernel=3 padding=1 bias=false
b = conv(a) outputs=9 kernel=1 bias=false
c = conv(b) outputs=9 kernel=3 padding=1 groups=9 bias=false
d = conv(c) outputs=7 kernel=3 padding=1 bias=false
average = adaptive-average(d)
flat = flatten(average)
e = linear(flat) outputs=10
";

fn network() -> Graph {
    Graph::parse(NETWORK, "small", "small.net").expect("a network")
}

/// Few different values, so that many scores are equal.
fn values(graph: &Graph, seed: u64) -> Tensors {
    let of = |p: &Param| {
        let mut random = seed::stream(seed, &p.name, 0);
        let values = (0..p.count()).map(|_| random.below(7) as f32 - 3.0).collect();
        (p.name.clone(), Tensor::f32(&p.shape, values))
    };
    graph.params().iter().map(of).collect()
}

fn method(structure: Structure, score: Score, allocation: Allocation, floors: Floors) -> Method {
    let ranking = Ranking { score, structure, floors, seed: 5 };
    Method { ranking, allocation, excluded: vec![] }
}

fn units(graph: &Graph, structure: Structure) -> Vec<(&Param, Units)> {
    graph.prunable().filter_map(|p| Some((p, structure.units(graph, p).ok()?))).collect()
}

/// Pruned units of each layer that has any.
fn pruned(graph: &Graph, structure: Structure, masks: &Masks) -> Vec<u64> {
    let of = |(p, units): &(&Param, Units)| {
        let mask = masks.get(&p.name);
        assert!(mask.is_none_or(|mask| units.keeps_whole(mask)), "{}: whole units", p.name);
        mask.map_or(0, |mask| units.unit_mask(mask).pruned())
    };
    units(graph, structure).iter().map(of).collect()
}

fn run(method: &Method, graph: &Graph, tensors: &Tensors, masks: &Masks, sparsity: f64) -> Choice {
    let measured = Some(tensors);
    let current = Current { graph, tensors, masks, measured };
    let target = Target { sparsity, rate: None };
    method.prune(current, target).unwrap_or_else(|e| panic!("{method:?} {sparsity}: {e}"))
}

proptest! {
    #[test]
    fn as_many_units_as_asked_for_and_no_floor_broken(
        seed in any::<u64>(),
        structure in prop::sample::select(&[Structure::Weight, Structure::Block4, Structure::Kernel, Structure::Channel][..]),
        score in prop::sample::select(Score::ALL),
        allocation in prop::sample::select(Allocation::ALL),
        // All that floors let go is more than the half of every layer.
        sparsity in 0.0..0.5_f64,
        further in 0.0..0.2_f64,
        density in 0.0..0.2_f64,
    ) {
        let graph = network();
        let tensors = values(&graph, seed);
        let floors = Floors { weights: 4, density };
        let method = method(structure, score, allocation, floors);
        let totals: Vec<u64> =
            units(&graph, structure).iter().map(|(_, units)| units.count() as u64).collect();
        let expected = |sparsity: f64| match allocation {
            Allocation::Uniform => totals.iter().map(|t| weights(sparsity, *t)).sum(),
            _ => weights(sparsity, totals.iter().sum()),
        };
        let first = run(&method, &graph, &tensors, &Masks::default(), sparsity);
        let before = pruned(&graph, structure, &first.masks);
        prop_assert_eq!(before.iter().sum::<u64>(), expected(sparsity));
        for (p, units) in units(&graph, structure) {
            let kept = units.count() as u64 - first.masks.get(&p.name).map_or(0, |m| units.unit_mask(m).pruned());
            let floor = 4_u64.div_ceil(units.size() as u64).max((density * units.count() as f64).ceil() as u64);
            prop_assert!(kept >= floor.min(units.count() as u64), "{}: {kept} of at least {floor}", p.name);
            prop_assert!(!first.reasons[&p.name].is_empty());
        }
        // Further: masks only grow.
        let second = run(&method, &graph, &tensors, &first.masks, sparsity + further);
        let after = pruned(&graph, structure, &second.masks);
        prop_assert_eq!(after.iter().sum::<u64>(), expected(sparsity + further));
        for (name, mask) in first.masks.iter() {
            let now = second.masks.get(name).expect("stays");
            prop_assert!(mask.kept().iter().zip(now.kept()).all(|(was, is)| *was || !*is));
        }
    }

    #[test]
    fn every_group_keeps_n_of_m(
        seed in any::<u64>(),
        score in prop::sample::select(Score::ALL),
        word in prop::sample::select(&["2:4", "1:4", "1:2", "3:8", "5:9"][..]),
        share in 0.0..1.0_f64,
    ) {
        let graph = network();
        let tensors = values(&graph, seed);
        let structure = Structure::named(word).expect("a name");
        let (keep, of) = word.split_once(':').expect("two numbers");
        let (keep, of): (usize, usize) = (keep.parse().expect("n"), of.parse().expect("m"));
        let last = (of - keep) as f64 / of as f64;
        let method = method(structure, score, Allocation::Global, Floors::NONE);
        let before = run(&method, &graph, &tensors, &Masks::default(), share * last);
        let masks = run(&method, &graph, &tensors, &before.masks, last).masks;
        for p in graph.prunable() {
            let (inputs, taps) = (p.shape[1], p.shape[2..].iter().product::<usize>());
            let whole = inputs / of * of;
            let Some(mask) = masks.get(&p.name) else {
                prop_assert_eq!(whole, 0, "{} has groups", &p.name);
                continue;
            };
            let values = tensors[&p.name].as_f32().expect("floats");
            for output in 0..p.shape[0] {
                for tap in 0..taps {
                    let at = |i: usize| (output * inputs + i) * taps + tap;
                    prop_assert!((whole..inputs).all(|i| mask.kept()[at(i)]), "the rest is dense");
                    for first in (0..whole).step_by(of) {
                        let group: Vec<usize> = (first..first + of).map(at).collect();
                        let kept = group.iter().filter(|i| mask.kept()[**i]);
                        prop_assert_eq!(kept.clone().count(), keep);
                        if score == Score::Magnitude {
                            let least = kept.map(|i| values[*i].abs()).fold(f32::INFINITY, f32::min);
                            let gone = group.iter().filter(|i| !mask.kept()[**i]);
                            prop_assert!(gone.map(|i| values[*i].abs()).all(|v| v <= least));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_left_out_is_told() {
    let graph = network();
    let tensors = values(&graph, 1);
    let reason = |structure: &str, layer: &str| {
        let structure = Structure::named(structure).expect("a name");
        let method = method(structure, Score::Magnitude, Allocation::Global, Floors::NONE);
        run(&method, &graph, &tensors, &Masks::default(), 0.5).reasons[layer].clone()
    };
    assert_eq!(
        reason("2:4", "a.weight"),
        "left as it is: has 3 input channels, fewer than a group of 4"
    );
    assert_eq!(
        reason("2:4", "b.weight"),
        "2:4 magnitude: 40.0 %, the smallest 2 of each group of 4 input channels; 18 weights lie in no whole group and stay"
    );
    assert!(reason("channel", "e.weight").starts_with("left as it is: gives the answers"));
    assert!(
        reason("block4", "c.weight").starts_with("left as it is: a convolution in 9 groups has no")
    );
    let floors = Floors { weights: 60, density: 0.0 };
    let structure = Structure::named("2:4").expect("a name");
    let method = method(structure, Score::Magnitude, Allocation::Global, floors);
    let masks = Masks::default();
    let current = Current { graph: &graph, tensors: &tensors, masks: &masks, measured: None };
    let error = method.prune(current, Target { sparsity: 0.5, rate: None }).expect_err("a floor");
    assert!(error.to_string().contains("b.weight: 2:4 prunes 36 of 90 weights"), "{error}");
}
