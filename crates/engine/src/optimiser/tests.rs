//! States, masks, freezing and clipping on a small network.

use super::*;
use graph::Graph;
use sparsity::Mask;

const PATH: &str = "state";

fn step(kind: OptimiserKind, step: u32) -> (Clip, Step) {
    let (lr, weight_decay) = (0.1, 0.01);
    let step = match kind {
        OptimiserKind::Sgd => Step::Sgd(Sgd { lr, momentum: 0.9, weight_decay, nesterov: true }),
        _ => Step::Adam(Adam {
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay,
            decoupled: kind == OptimiserKind::AdamW,
            step,
        }),
    };
    (Clip::default(), step)
}

/// A network and the masks of half of its classifier.
fn network() -> (Net, Masks) {
    let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
    let mut masks = Masks::default();
    let count = graph.param("classifier.weight").expect("in the table").count();
    masks.insert("classifier.weight", Mask::new((0..count).map(|i| i % 2 == 0).collect()));
    (Net::initial(graph, 1, &Device::Cpu).expect("fits"), masks)
}

/// Gradients that follow from the weights.
fn grads(net: &Net) -> Vec<Option<Tensor>> {
    let of = |(p, v): (&Param, &Tensor)| {
        let values = v.host().expect("reads").into_iter().map(|v| v * 0.25 + 0.125).collect();
        p.trainable().then(|| Tensor::new(values, &p.shape, net.device()).expect("fits"))
    };
    net.graph().params().iter().zip(net.values()).map(of).collect()
}

fn check(kind: OptimiserKind, expected: &[&str]) {
    let (net, masks) = network();
    let mut whole = Optimiser::new(&net, &masks, kind).expect("fits");
    whole.step(&net, &grads(&net), step(kind, 1)).expect("steps");
    let (weights, state) = (net.tensors().expect("reads"), whole.tensors(&net).expect("reads"));
    let names: Vec<&str> = expected
        .iter()
        .flat_map(|k| state.keys().filter(move |n| n.starts_with(k)))
        .map(String::as_str)
        .collect();
    let trainable = net.graph().params().iter().filter(|p| p.trainable()).count();
    assert_eq!((names.len(), state.len()), (expected.len() * trainable, names.len()));
    assert_eq!(masks.revived(&weights), 0);
    whole.step(&net, &grads(&net), step(kind, 2)).expect("steps");
    let end = (net.tensors().expect("reads"), whole.tensors(&net).expect("reads"));

    let net = Net::load(net.graph().clone(), &weights, &Device::Cpu).expect("fits");
    let mut resumed = Optimiser::new(&net, &masks, kind).expect("fits");
    resumed.restore(&net, &state, Path::new(PATH)).expect("a whole state");
    resumed.step(&net, &grads(&net), step(kind, 2)).expect("steps");
    assert_eq!((net.tensors().expect("reads"), resumed.tensors(&net).expect("reads")), end);
}

#[test]
fn a_restored_state_goes_on_to_the_same_bits() {
    check(OptimiserKind::Sgd, &["velocity/"]);
    check(OptimiserKind::Adam, &["mean/", "square/"]);
    check(OptimiserKind::AdamW, &["mean/", "square/"]);
}

#[test]
fn what_is_frozen_stays_and_has_no_state() {
    let (net, masks) = network();
    let before = net.tensors().expect("reads");
    let mut optimiser = Optimiser::new(&net, &masks, OptimiserKind::AdamW).expect("fits");
    let frozen = net.graph().params().iter().map(|p| p.name.starts_with("classifier"));
    optimiser.freeze(&frozen.collect::<Vec<_>>());
    optimiser.step(&net, &grads(&net), step(OptimiserKind::AdamW, 1)).expect("steps");
    let after = net.tensors().expect("reads");
    for param in net.graph().params() {
        let moves = param.trainable() && !param.name.starts_with("classifier");
        assert_eq!(before[&param.name] != after[&param.name], moves, "{}", param.name);
    }
    let state = optimiser.tensors(&net).expect("reads");
    assert!(state.contains_key("mean/backbone.conv0.weight"));
    assert!(!state.keys().any(|name| name.contains("classifier")));
}

#[test]
fn gradients_are_clipped_by_value_and_then_by_norm() {
    let (net, masks) = network();
    let optimiser = Optimiser::new(&net, &masks, OptimiserKind::Sgd).expect("fits");
    // Those of the batch norms' biases are 3, all others 0, but for what is pruned.
    let of = |p: &Param| match p.name.as_str() {
        "classifier.weight" => {
            (0..p.count()).map(|i| if i % 2 == 0 { 0.0 } else { f32::NAN }).collect()
        }
        _ if p.role == graph::Role::NormBias => vec![3.0; p.count()],
        _ => vec![0.0; p.count()],
    };
    let all = || -> Vec<Option<Tensor>> {
        let of = |p: &Param| Tensor::new(of(p), &p.shape, net.device());
        net.graph().params().iter().map(|p| Some(of(p).expect("fits"))).collect()
    };
    let biases = |p: &&Param| p.role == graph::Role::NormBias;
    let count: usize = net.graph().params().iter().filter(biases).map(Param::count).sum();
    let root = (count as f64).sqrt();
    let check = |value, norm, expected: f64| {
        let grads = all();
        optimiser.clip(&grads, Clip { value, norm }).expect("clips");
        for (p, grad) in net.graph().params().iter().zip(&grads).filter(|(p, _)| biases(p)) {
            let found = grad.as_ref().expect("given").host().expect("reads");
            let off = found.iter().map(|v| (f64::from(*v) - expected).abs());
            assert!(off.fold(0.0, f64::max) < 1e-6, "{}: {found:?}, not {expected}", p.name);
        }
    };
    check(None, None, 3.0);
    check(Some(2.0), None, 2.0);
    check(None, Some(root), 1.0);
    check(None, Some(4.0 * root), 3.0);
    check(Some(2.0), Some(root), 1.0);
    check(Some(0.5), Some(root), 0.5);
}

#[test]
fn a_state_of_another_kind_is_refused() {
    let (net, masks) = network();
    let of = |kind| Optimiser::new(&net, &masks, kind).expect("fits");
    let state = of(OptimiserKind::Sgd).tensors(&net).expect("reads");
    let error = of(OptimiserKind::Adam).restore(&net, &state, Path::new(PATH));
    let error = error.expect_err("no mean is there").to_string();
    assert!(error.contains("mean/backbone.bn0.bias [2] is missing"), "{error}");
    let wrong = of(OptimiserKind::Adam).step(&net, &grads(&net), step(OptimiserKind::Sgd, 1));
    assert!(wrong.expect_err("refused").to_string().contains("another optimiser"));
}
