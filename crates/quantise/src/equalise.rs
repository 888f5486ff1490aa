//! Channels of unlike ranges between a convolution and a depthwise one, brought nearer to each other.

use inference::{Conv, Kind, Layer, Network};

use crate::observe::{Extent, Extents};

/// A layer whose outputs were multiplied by powers of two, channel by channel, and the one that divides by them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equalised {
    /// The layer.
    pub layer: usize,
    /// The depthwise convolution that alone reads it.
    pub reader: usize,
    /// By output channel of `layer`, which power of two its weights and its bias were multiplied by.
    pub exponents: Vec<u8>,
}

/// The largest exponent: a channel that hardly spoke on the images seen may speak up on others.
pub const MOST: u8 = 4;

/// Multiplies channels of `network` whose range is less than half of their layer's by powers of two, where a
/// depthwise convolution alone reads them, and divides the weights of that by the same. `extents` follow.
///
/// Answers in floats stay the same bits, but for values of a bounded activation beyond those seen. In integers a
/// channel uses more of the 256, as with a scale of its own: rounding weights has a scale a channel on both sides
/// already (Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction",
/// section 4.1, for the pairs where only activations gain).
pub fn equalise(network: &mut Network, extents: &mut Extents) -> Vec<Equalised> {
    let mut all = vec![];
    for reader in 1..network.layers.len() {
        let layer = network.layers[reader].inputs[0];
        if !is_pair(network, layer, reader) {
            continue;
        }
        let channels = &mut extents.of[layer];
        let exponents = exponents(channels);
        if exponents.iter().all(|exponent| *exponent == 0) {
            continue;
        }
        for (extent, exponent) in channels.iter_mut().zip(&exponents) {
            *extent = extent.times(power(*exponent));
        }
        scale(&mut network.layers[layer], &exponents);
        divide(&mut network.layers[reader], &exponents);
        all.push(Equalised { layer, reader, exponents });
    }
    all
}

/// Two to this power.
fn power(exponent: u8) -> f32 {
    f32::from(1_u8 << exponent)
}

/// Whether `reader` is a depthwise convolution that reads `layer`, nothing else does, and factors go through the
/// layer's activation.
fn is_pair(network: &Network, layer: usize, reader: usize) -> bool {
    let layers = &network.layers;
    let depthwise = convolution(&layers[reader])
        .is_some_and(|conv| conv.groups > 1 && conv.groups == layers[layer].shape.c);
    let reads = layers.iter().flat_map(|l| l.inputs.iter().chain(&l.add));
    let Layer { activation, add, .. } = &layers[layer];
    let passes =
        matches!(activation, None | Some(graph::Activation::Relu | graph::Activation::Relu6));
    depthwise
        && convolution(&layers[layer]).is_some()
        && add.is_none()
        && passes
        && reads.filter(|read| **read == layer).count() == 1
}

/// The convolution of a layer, which is none if it is a norm or a scale that stands by itself: those have no weights
/// that are stored as integers.
fn convolution(layer: &Layer) -> Option<&Conv> {
    match &layer.kind {
        Kind::Conv(conv) if conv.groups != conv.weight.len() => Some(conv),
        _ => None,
    }
}

/// The power of two that brings each channel's range nearest to the layer's, and not beyond.
fn exponents(channels: &[Extent]) -> Vec<u8> {
    let whole = channels.iter().fold(Extent::NONE, |all, own| all.with(*own));
    let share = |own: f32, whole: f32| if whole == 0.0 { 0.0 } else { own / whole };
    let of = |own: &Extent| {
        let share = share(own.low, whole.low).max(share(own.high, whole.high));
        // A channel that is always zero has nothing to gain.
        let fits = |exponent: &u8| share > 0.0 && share * power(*exponent) <= 1.0;
        (1..=MOST).take_while(fits).last().unwrap_or(0)
    };
    channels.iter().map(of).collect()
}

fn scale(layer: &mut Layer, exponents: &[u8]) {
    let Kind::Conv(conv) = &mut layer.kind else { unreachable!("one of a pair") };
    let row = conv.row();
    let rows = conv.weight.floats_mut().chunks_exact_mut(row).zip(&mut conv.bias);
    for ((weights, bias), exponent) in rows.zip(exponents) {
        let factor = power(*exponent);
        for weight in weights {
            *weight *= factor;
        }
        *bias *= factor;
    }
}

fn divide(reader: &mut Layer, exponents: &[u8]) {
    let Kind::Conv(conv) = &mut reader.kind else { unreachable!("one of a pair") };
    // The outputs of a channel follow each other.
    let each = conv.weight.len() / exponents.len();
    let channels = conv.weight.floats_mut().chunks_exact_mut(each);
    for (weights, exponent) in channels.zip(exponents) {
        let factor = power(*exponent);
        for weight in weights {
            *weight /= factor;
        }
    }
}
