//! Networks in integers beside themselves in f32.

use artifact::tensors::Tensor;
use graph::Graph;
use inference::integer::{How, IntegerPlan};
use inference::{Checked, Kind, Network, Plan, Unknown};
use kernels::integer::{Instructions, Rounding};
use quantise::{Calibration, Rule, calibrate, equalise, extents, without_shift};

mod plain;

const SIDE: usize = 32;

/// Branches that are added, multiplied, put behind each other, shuffled, cut, padded and flattened.
const MOVES: &str = "secateur-graph 1
image = input channels=3 height=32 width=32
a = conv(image) outputs=10 kernel=3 stride=4 padding=1
b = conv(image) outputs=8 kernel=4 stride=4
relu = relu(a)
both = concat(relu, b)
silu = silu(both)
mixed = shuffle(silu) groups=3
cut = slice(mixed) start=2 end=12
wide = pad-channels(cut) before=1 after=2
gate = conv(wide) outputs=13 kernel=1
sigmoid = sigmoid(gate)
gated = multiply(wide, sigmoid)
sum = add(gated, wide)
borders = pad-borders(sum) padding=1,0,2,1
pool = max-pool(borders) kernel=2 stride=3
flat = flatten(pool)
dropout = dropout(flat) probability=0.5
fc = linear(dropout) outputs=10
";

/// A network of the zoo, or the one of [`MOVES`].
fn network(spec: &str) -> Network {
    let graph = match spec {
        "moves" => Graph::parse(MOVES, "moves", "moves").expect("a graph"),
        _ => Graph::build(spec, 10, SIDE).expect("in the zoo"),
    };
    with_initial_values(&graph)
}

fn with_initial_values(graph: &Graph) -> Network {
    let values = graph::initial(graph, 1);
    let tensors = graph.params().iter().zip(values);
    let tensors = tensors.map(|(p, v)| (p.name.clone(), Tensor::f32(&p.shape, v))).collect();
    Network::new(graph, &Checked { graph, tensors: &tensors })
}

fn images(count: usize) -> Vec<f32> {
    let mut random = seed::stream(3, "test/answers", 0);
    (0..count * 3 * SIDE * SIDE).map(|_| (random.unit() * 4.0 - 2.0) as f32).collect()
}

/// What is found of `network` on the images `seen`, twenty at a time.
fn found(network: &Network, seen: &[f32]) -> Calibration {
    let batches = seen.chunks(20 * 3 * SIDE * SIDE);
    let extents = extents(network, batches.clone()).expect("it can be");
    calibrate(network, &extents, batches, Rule::SquaredError)
}

fn plan(network: &Network, seen: &[f32], how: How) -> IntegerPlan {
    let found = found(network, seen);
    let corrected = without_shift(network.clone(), &found.means);
    let roundings: Vec<Rounding> = found.ranges.iter().map(|range| range.rounding).collect();
    IntegerPlan::new(&corrected, roundings, how)
}

fn apart(found: &[f32], expected: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
    };
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    off / norm(&mut expected.iter().copied())
}

/// Every kind of layer of these networks, every bit of every logit.
#[test]
fn answers_are_those_of_the_plain_interpreter() {
    for spec in ["resnet18@0.125", "vgg-lab@0.25", "efficientnet-b0@0.25", "moves"] {
        let network = network(spec);
        let seen = images(17);
        let found = found(&network, &seen);
        let corrected = without_shift(pruned(network), &found.means);
        let roundings: Vec<Rounding> = found.ranges.iter().map(|r| r.rounding).collect();
        let image = SIDE * SIDE * 3;
        let expected: Vec<u32> = seen
            .chunks(image)
            .flat_map(|image| plain::logits(&corrected, &roundings, image))
            .map(f32::to_bits)
            .collect();
        for instructions in Instructions::available() {
            for (tiles, skip) in [(false, true), (true, true), (false, false)] {
                let how = How { instructions, skip, unknown: Unknown::Guess, tiles };
                let plan = IntegerPlan::new(&corrected, roundings.clone(), how);
                let kernels: Vec<&str> = plan.layers().iter().map(|l| l.kernel).collect();
                assert!(!kernels.contains(&"f32"), "{spec}: {kernels:?}");
                let logits: Vec<u32> = plan.logits(&seen).into_iter().map(f32::to_bits).collect();
                assert_eq!(logits, expected, "{spec}, {how:?}");
            }
        }
    }
}

/// `network` with most weights of its later layers gone, in every second one four input channels at a time.
fn pruned(mut network: Network) -> Network {
    let mut random = seed::stream(5, "test/pruned", 0);
    for (n, layer) in network.layers.iter_mut().enumerate().skip(3) {
        let Kind::Conv(conv) = &mut layer.kind else { continue };
        let (row, taps) = (conv.row(), conv.taps());
        for weights in conv.weight.floats_mut().chunks_exact_mut(row) {
            for first in (0..row).step_by(4 * taps) {
                let whole = random.chance(0.8);
                for weight in &mut weights[first..row.min(first + 4 * taps)] {
                    if if n % 2 == 0 { whole } else { random.chance(0.8) } {
                        *weight = 0.0;
                    }
                }
            }
        }
    }
    network
}

#[test]
fn answers_are_near_and_always_the_same_bits() {
    for (spec, most) in
        [("resnet18@0.125", 0.03), ("vgg-lab@0.25", 0.03), ("efficientnet-b0@0.25", 0.1)]
    {
        let network = network(spec);
        let seen = images(40);
        let exact = Plan::fixed(&network, (0, 40), false).logits(&seen);
        let mut first = None;
        for instructions in Instructions::available() {
            let how = How { instructions, skip: true, unknown: Unknown::Guess, tiles: false };
            let plan = |how| plan(&network, &seen, how);
            let (many, one) = (plan(how), plan(How { tiles: true, ..how }));
            let found = many.logits(&seen);
            let off = apart(&found, &exact);
            assert!(off < most, "{spec}: {off} from f32, {instructions:?}");
            assert_eq!(one.logits(&seen), found, "{spec}: image by image, {instructions:?}");
            assert_eq!(first.get_or_insert(found.clone()), &found, "{spec}: {instructions:?}");
        }
    }
}

/// Weights that are all zero in a channel, and in a layer; channels that never change; images of one colour.
#[test]
fn what_is_constant_stays_what_it_is() {
    let mut network = network("resnet18@0.125");
    let (mut first, mut all) = (true, 0);
    for layer in &mut network.layers {
        let Kind::Conv(conv) = &mut layer.kind else { continue };
        let row = conv.row();
        if std::mem::take(&mut first) {
            conv.weight.floats_mut()[..row].fill(0.0);
            conv.bias[0] = 0.75;
            continue;
        }
        all += 1;
        if all == 3 {
            conv.weight.floats_mut().fill(0.0);
        }
    }
    let seen = vec![0.5; 4 * 3 * SIDE * SIDE];
    let exact = Plan::fixed(&network, (0, 4), false).logits(&seen);
    for instructions in Instructions::available() {
        for skip in [false, true] {
            let how = How { instructions, skip, unknown: Unknown::Guess, tiles: skip };
            let found = plan(&network, &seen, how).logits(&seen);
            let off = apart(&found, &exact);
            assert!(off < 0.05, "{off} from f32, {how:?}");
        }
    }
    // Black images: every activation of the input is zero.
    let black = vec![0.0; 2 * 3 * SIDE * SIDE];
    let how = How {
        instructions: Instructions::Scalar,
        skip: true,
        unknown: Unknown::Guess,
        tiles: true,
    };
    let found = plan(&network, &black, how).logits(&black);
    assert!(found.iter().all(|v| v.is_finite()), "{found:?}");
}

#[test]
fn nothing_to_calibrate_with() {
    let network = network("vgg-lab@0.125");
    let none: [&[f32]; 0] = [];
    let error = extents(&network, none.into_iter()).expect_err("no images");
    assert!(error.contains("no images"), "{error}");
    let mut odd = images(1);
    odd[5] = f32::NAN;
    let error = extents(&network, [&odd[..]].into_iter()).expect_err("NaN");
    assert!(error.contains("is not finite"), "{error}");
}

/// A convolution with channels of very different ranges, and a depthwise one that reads them.
const CHAIN: &str = "secateur-graph 1
image = input channels=3 height=32 width=32
wide = conv(image) outputs=24 kernel=3 stride=4 padding=1
relu = relu6(wide)
each = conv(relu) outputs=48 kernel=3 padding=1 groups=24
relu2 = relu(each)
flat = flatten(relu2)
fc = linear(flat) outputs=10
";

#[test]
fn channels_before_depthwise_layers_are_equalised() {
    let graph = Graph::parse(CHAIN, "chain", "chain").expect("a graph");
    let mut network = with_initial_values(&graph);
    // One channel is always zero, and ranges differ by up to 256. The depthwise layer makes up for it.
    let factor = |channel: usize| if channel == 7 { 0.0 } else { 0.5_f32.powi(channel as i32 % 9) };
    for (layer, each) in [(1, 1), (2, 2)] {
        let Kind::Conv(conv) = &mut network.layers[layer].kind else { panic!("a convolution") };
        let row = conv.row();
        for (o, weights) in conv.weight.floats_mut().chunks_exact_mut(row).enumerate() {
            let factor = factor(o / each);
            for weight in weights {
                *weight = if layer == 1 { *weight * factor } else { *weight / factor.max(0.001) };
            }
            conv.bias[o] = 0.0;
        }
    }
    let seen = images(20);
    let exact = Plan::fixed(&network, (0, 20), false).logits(&seen);
    let before = found(&network, &seen);
    let (given, mut known) =
        (network.clone(), extents(&network, [&seen[..]].into_iter()).expect("it can be"));
    let equalised = equalise(&mut network, &mut known);
    assert_eq!(
        known,
        extents(&network, [&seen[..]].into_iter()).expect("it can be"),
        "what follows"
    );
    let [pair] = &equalised[..] else { panic!("one pair: {equalised:?}") };
    assert_eq!((pair.layer, pair.reader), (1, 2));
    assert_eq!(pair.exponents[7], 0, "a channel that is always zero");
    assert_eq!(pair.exponents.iter().max(), Some(&4), "{:?}", pair.exponents);
    assert_eq!(pair.exponents[0], 0, "the widest: {:?}", pair.exponents);
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let after = Plan::fixed(&network, (0, 20), false).logits(&seen);
    assert_eq!(bits(&after), bits(&exact), "powers of two");
    let integers = |network: &Network, found: &Calibration| {
        let roundings = found.ranges.iter().map(|range| range.rounding).collect();
        let how = How {
            instructions: Instructions::chosen(),
            skip: true,
            unknown: Unknown::Guess,
            tiles: false,
        };
        apart(&IntegerPlan::new(network, roundings, how).logits(&seen), &exact)
    };
    let (off, less) = (integers(&given, &before), integers(&network, &found(&network, &seen)));
    assert!(less < 0.7 * off, "off by {off} before and {less} after");
}

/// No other pair: another reader or a sum, other activations, norms that stand by themselves, and groups that are not
/// depthwise.
#[test]
fn only_depthwise_layers_that_read_alone_divide() {
    let begin = "secateur-graph 1\nimage = input channels=3 height=32 width=32\n";
    let end = "flat = flatten(last)\nfc = linear(flat) outputs=10\n";
    let conv = "wide = conv(image) outputs=24 kernel=3 stride=4 padding=1\n";
    let each = "each = conv(relu) outputs=24 kernel=3 padding=1 groups=24\n";
    let check = |middle: &str, expected: usize| {
        let text = format!("{begin}{middle}{end}");
        let graph = Graph::parse(&text, "chain", "chain").expect("a graph");
        let mut network = with_initial_values(&graph);
        // The first channel is wide, so that others would gain.
        for layer in &mut network.layers {
            if let Kind::Conv(conv) = &mut layer.kind {
                let row = conv.row();
                conv.weight.floats_mut()[..row].iter_mut().for_each(|weight| *weight *= 64.0);
            }
        }
        let (seen, given) = (images(4), network.clone());
        let mut known = extents(&network, [&seen[..]].into_iter()).expect("it can be");
        assert_eq!(equalise(&mut network, &mut known).len(), expected, "{middle}");
        assert_eq!(network == given, expected == 0, "{middle}");
    };
    check(&format!("{conv}relu = relu(wide)\n{each}last = relu(each)\n"), 1);
    check(&format!("{conv}relu = relu6(wide)\n{each}last = silu(each)\n"), 1);
    check(&format!("{conv}relu = silu(wide)\n{each}last = relu(each)\n"), 0);
    check(&format!("{conv}relu = relu(wide)\n{each}sum = add(each, relu)\nlast = relu(sum)\n"), 0);
    check(&format!("{conv}relu = relu(wide)\n{each}last = concat(each, relu)\n"), 0);
    check(&format!("{conv}relu = relu(wide)\n{each}last = multiply(each, relu)\n"), 0);
    check(
        &format!(
            "{conv}more = conv(image) outputs=24 kernel=3 stride=4 padding=1\nsum = add(wide, more)\nrelu = relu(sum)\n{each}last = relu(each)\n"
        ),
        0,
    );
    check(&format!("{conv}relu = relu(wide)\neach = batch-norm(relu)\nlast = relu(each)\n"), 0);
    check(
        &format!(
            "{conv}both = concat(wide, wide)\nnorm = batch-norm(both)\nrelu = relu(norm)\neach = conv(relu) outputs=48 kernel=3 padding=1 groups=48\nlast = relu(each)\n"
        ),
        0,
    );
    check(
        &format!(
            "{conv}relu = relu(wide)\neach = conv(relu) outputs=24 kernel=3 padding=1 groups=12\nlast = relu(each)\n"
        ),
        0,
    );
}
