//! Networks of the zoo with values as if they had been trained, and pruned as one likes.

use artifact::tensors::{Tensor, Tensors};
use graph::{Graph, Param, Role};
use inference::{Checked, Conv, Kind, Network};
use seed::{Stream, stream};

/// Each network of the zoo at a width and side that run in no time.
pub const SMALL: [(&str, usize); 6] = [
    ("vgg-lab@0.1", 16),
    ("resnet-like@0.1", 16),
    ("resnet18@0.1", 16),
    ("net10@0.05", 32),
    ("vgg16@0.05", 32),
    ("efficientnet-b0@0.1", 32),
];

/// The network `spec` for ten classes and images of this side, without a zero among its weights.
pub fn network((spec, side): (&str, usize), seed: u64) -> Network {
    of(&Graph::build(spec, 10, side).expect("in the zoo"), seed)
}

/// The network `graph`, with values as of [`network`].
pub fn of(graph: &Graph, seed: u64) -> Network {
    let tensors = tensors(graph, seed);
    Network::new(graph, &Checked { graph, tensors: &tensors })
}

/// Initial values, with norms and biases that do something.
pub fn tensors(graph: &Graph, seed: u64) -> Tensors {
    let mut random = stream(seed, "test/norms", 0);
    let of = |(param, values): (&Param, Vec<f32>)| {
        let values = values.into_iter().map(|v| trained(param.role, v, &mut random)).collect();
        (param.name.clone(), Tensor::f32(&param.shape, values))
    };
    graph.params().iter().zip(graph::initial(graph, seed)).map(of).collect()
}

fn trained(role: Role, initial: f32, random: &mut Stream) -> f32 {
    match role {
        Role::Weight => initial,
        Role::Bias | Role::NormBias => initial + 0.4 * random.normal() as f32,
        Role::RunningMean => initial + 0.1 * random.normal() as f32,
        Role::NormWeight | Role::RunningVar | Role::Constant => {
            initial * random.range(0.5, 2.0) as f32
        }
    }
}

/// Every convolution and linear layer but the one that gives the logits.
pub fn hidden(network: &mut Network) -> impl Iterator<Item = &mut Conv> {
    let all = network.layers.split_last_mut().expect("a network has layers").1;
    all.iter_mut().filter_map(|layer| match &mut layer.kind {
        Kind::Conv(conv) => Some(conv),
        _ => None,
    })
}

/// Sets each weight but those of the logits to zero with probability `share`.
pub fn prune_weights(network: &mut Network, share: f64, random: &mut Stream) {
    for conv in hidden(network) {
        conv.weight.floats_mut().iter_mut().filter(|_| random.chance(share)).for_each(|w| *w = 0.0);
    }
}

/// Takes all weights from each output, but the logits, with probability `share`.
pub fn prune_rows(network: &mut Network, share: f64, random: &mut Stream) {
    for conv in hidden(network) {
        for o in 0..conv.bias.len() {
            if random.chance(share) {
                clear_row(conv, o);
            }
        }
    }
}

/// Takes all weights from the same outputs of all layers with the same number of them, each with
/// probability `share`, but the first: so layers whose outputs are added lose the same ones.
pub fn prune_aligned_rows(network: &mut Network, share: f64, seed: u64) {
    for conv in hidden(network) {
        let mut random = stream(seed, "test/aligned", conv.bias.len() as u64);
        for o in 1..conv.bias.len() {
            if random.chance(share) {
                clear_row(conv, o);
            }
        }
    }
}

/// Takes the weights on each input but the first, with probability `share`, from all outputs.
pub fn prune_columns(network: &mut Network, share: f64, random: &mut Stream) {
    for conv in hidden(network) {
        for c in 1..conv.row() / conv.taps() {
            if random.chance(share) {
                clear_column(conv, c);
            }
        }
    }
}

/// Takes all weights from output `o`.
pub fn clear_row(conv: &mut Conv, o: usize) {
    let row = conv.row();
    conv.weight.floats_mut()[o * row..][..row].fill(0.0);
}

/// Takes the weights on input `c` of a group from all outputs.
pub fn clear_column(conv: &mut Conv, c: usize) {
    let (row, taps) = (conv.row(), conv.taps());
    conv.weight.floats_mut().chunks_mut(row).for_each(|row| row[c * taps..][..taps].fill(0.0));
}
