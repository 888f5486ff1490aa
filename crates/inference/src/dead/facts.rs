//! What is known of each channel of each layer: its value, and whether any answer follows from it.

use crate::{Conv, Kind, Layer, Network};

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
            let values = (0..layer.shape.c).map(|c| value(layer, c, &constant)).collect();
            constant.push(values);
        }
        let needed = needed(network, &constant);
        Self { constant, needed }
    }

    /// Whether no layer of `class` needs channel `c` computed.
    pub fn dead(&self, class: &[usize], c: usize) -> bool {
        class.iter().all(|&l| self.constant[l][c].is_some() || !self.needed[l][c])
    }
}

/// The constant that channel `c` of `layer` is, by those of the layers before.
fn value(layer: &Layer, c: usize, before: &[Vec<Option<f64>>]) -> Option<f64> {
    let x = |n: usize| before[layer.inputs[n]][c];
    let value = match &layer.kind {
        Kind::Input => None,
        Kind::Conv(conv) => {
            let added = layer.add.map_or(Some(0.0), |a| before[a][c]);
            Some(convolved(conv, c, &before[layer.inputs[0]])? + added?)
        }
        // Every window holds a pixel, and only pixels count.
        Kind::MaxPool(_) | Kind::Average(_) | Kind::Copy => x(0),
        Kind::Silu => x(0).map(|x| x * sigmoid(x)),
        Kind::Sigmoid => x(0).map(sigmoid),
        Kind::Scale if x(0) == Some(0.0) || x(1) == Some(0.0) => Some(0.0),
        Kind::Scale => x(0).zip(x(1)).map(|(a, b)| a * b),
        Kind::Add => x(0).zip(x(1)).map(|(a, b)| a + b),
    }?;
    Some(if layer.relu { value.max(0.0) } else { value })
}

/// The constant of output `o`, of inputs that are constants or have no weight. With padding the
/// border differs from the inside, unless the constant is what is padded with.
fn convolved(conv: &Conv, o: usize, input: &[Option<f64>]) -> Option<f64> {
    let read = conv.reads(o).filter(|(c, w)| input[*c] != Some(0.0) && any(w));
    let terms = read.map(|(c, w)| (conv.padding == 0).then_some(input[c]? * sum(w)));
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
            Kind::Scale => mark_scaled(layer, &outputs, constant, &mut needed),
            _ => layer.reads().for_each(|n| mark(&outputs, &mut needed[n])),
        }
        needed[i] = outputs;
    }
    needed
}

/// What is multiplied by zero is not asked for.
fn mark_scaled(
    layer: &Layer,
    outputs: &[bool],
    constant: &[Vec<Option<f64>>],
    needed: &mut [Vec<bool>],
) {
    let [x, gate] = layer.inputs[..] else { unreachable!("a scale reads two") };
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

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
