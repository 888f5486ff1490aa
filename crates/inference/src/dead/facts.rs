//! What is known of each channel of each layer: its value, and whether any answer follows from it.

use geometry::Sides;

use crate::{Conv, Kind, Layer, Network, Source};

/// Both facts, by layer and channel.
///
/// Once dead channels are gone, needed ones are as they were, and so are constants, which follow
/// from constants alone or are a product with a zero among them. Others may hold anything.
pub(super) struct Facts {
    /// The value of all pixels, where it does not depend on the image.
    pub constant: Vec<Vec<Option<f64>>>,
    /// Whether a logit depends on it by weights that are not zero.
    pub needed: Vec<Vec<bool>>,
}

impl Facts {
    pub fn of(network: &Network) -> Self {
        let mut constant: Vec<Vec<_>> = Vec::with_capacity(network.layers.len());
        for layer in &network.layers {
            let values = (0..layer.shape.c).map(|c| value(network, layer, c, &constant)).collect();
            constant.push(values);
        }
        let needed = needed(network, &constant);
        Self { constant, needed }
    }

    /// Whether channel `c` of `layer` need not be computed.
    pub fn dead(&self, layer: usize, c: usize) -> bool {
        self.constant[layer][c].is_some() || !self.needed[layer][c]
    }
}

/// The constant that channel `c` of `layer` is, by those of the layers before.
fn value(network: &Network, layer: &Layer, c: usize, before: &[Vec<Option<f64>>]) -> Option<f64> {
    let x = |n: usize| before[layer.inputs[n]][c];
    let zero = |n: usize| x(n).filter(|x| *x == 0.0);
    let value = match &layer.kind {
        Kind::Input | Kind::LayerNorm(_) => None,
        Kind::Conv(conv) => {
            let added = layer.add.map_or(Some(0.0), |a| before[a][c]);
            Some(convolved(conv, c, &before[layer.inputs[0]])? + added?)
        }
        // Every window holds a pixel, and only pixels count.
        Kind::MaxPool(_) | Kind::AdaptiveAverage(_) | Kind::Copy => x(0),
        Kind::AveragePool(pool) if pool.window.padding == Sides::all(0) && !pool.ceil => x(0),
        // Where padding counts a constant is not the same at the border, but for zero.
        Kind::AveragePool(_) | Kind::PadBorders(_) => zero(0),
        Kind::Multiply if zero(0).is_some() || zero(1).is_some() => Some(0.0),
        Kind::Multiply => x(0).zip(x(1)).map(|(a, b)| a * b),
        Kind::Add => x(0).zip(x(1)).map(|(a, b)| a + b),
        Kind::Gather(sources) => match sources[c] {
            Source::Channel { input, channel } => before[layer.inputs[input]][channel],
            Source::Value(value) => Some(f64::from(value)),
        },
        Kind::Flatten => before[layer.inputs[0]][c / of_each(network, layer)],
    }?;
    Some(layer.activation.map_or(value, |activation| activation.at(value)))
}

/// Values that `layer`, which flattens, has of each channel.
fn of_each(network: &Network, layer: &Layer) -> usize {
    network.layers[layer.inputs[0]].shape.pixels()
}

/// The constant of output `o`, of inputs that are constants or have no weight. With padding the
/// border differs from the inside, unless the constant is what is padded with.
fn convolved(conv: &Conv, o: usize, input: &[Option<f64>]) -> Option<f64> {
    let read = conv.reads(o).filter(|(c, w)| input[*c] != Some(0.0) && any(w));
    let terms = read.map(|(c, w)| (!conv.is_padded()).then_some(input[c]? * sum(w)));
    Some(f64::from(conv.bias[o]) + terms.sum::<Option<f64>>()?)
}

fn needed(network: &Network, constant: &[Vec<Option<f64>>]) -> Vec<Vec<bool>> {
    let mut needed: Vec<_> = network.layers.iter().map(|l| vec![false; l.shape.c]).collect();
    needed.last_mut().expect("a network has layers").fill(true);
    for (i, layer) in network.layers.iter().enumerate().rev() {
        let outputs = std::mem::take(&mut needed[i]);
        match &layer.kind {
            Kind::Conv(conv) => {
                mark_read(conv, &outputs, &mut needed[layer.inputs[0]]);
                layer.add.into_iter().for_each(|a| mark(&outputs, &mut needed[a]));
            }
            Kind::Multiply => mark_factors(layer, &outputs, constant, &mut needed),
            Kind::Gather(sources) => {
                for source in sources.iter().zip(&outputs).filter(|(_, o)| **o).map(|(s, _)| s) {
                    if let Source::Channel { input, channel } = *source {
                        needed[layer.inputs[input]][channel] = true;
                    }
                }
            }
            Kind::Flatten => {
                let each = outputs.chunks(of_each(network, layer));
                let any = each.map(|channel| channel.contains(&true)).collect::<Vec<_>>();
                mark(&any, &mut needed[layer.inputs[0]]);
            }
            Kind::LayerNorm(_) => {
                let any = outputs.contains(&true);
                needed[layer.inputs[0]].iter_mut().for_each(|n| *n |= any);
            }
            Kind::Input
            | Kind::MaxPool(_)
            | Kind::AveragePool(_)
            | Kind::AdaptiveAverage(_)
            | Kind::Add
            | Kind::PadBorders(_)
            | Kind::Copy => layer.reads().for_each(|n| mark(&outputs, &mut needed[n])),
        }
        needed[i] = outputs;
    }
    needed
}

/// What is multiplied by zero is not asked for.
fn mark_factors(
    layer: &Layer,
    outputs: &[bool],
    constant: &[Vec<Option<f64>>],
    needed: &mut [Vec<bool>],
) {
    let [x, gate] = layer.inputs[..] else { unreachable!("a product has two factors") };
    for c in (0..outputs.len()).filter(|c| outputs[*c]) {
        needed[x][c] |= constant[gate][c] != Some(0.0);
        needed[gate][c] |= constant[x][c] != Some(0.0);
    }
}

fn mark(outputs: &[bool], input: &mut [bool]) {
    input.iter_mut().zip(outputs).for_each(|(i, o)| *i |= o);
}

/// Marks the inputs that the needed ones of `outputs` read.
pub(super) fn mark_read(conv: &Conv, outputs: &[bool], input: &mut [bool]) {
    for o in (0..outputs.len()).filter(|o| outputs[*o]) {
        conv.reads(o).for_each(|(c, w)| input[c] = input[c] || any(w));
    }
}

fn any(taps: &[f32]) -> bool {
    taps.iter().any(|w| *w != 0.0)
}

/// What a channel that is 1 everywhere, without a border, adds to an output.
pub(super) fn sum(taps: &[f32]) -> f64 {
    taps.iter().map(|w| f64::from(*w)).sum()
}
