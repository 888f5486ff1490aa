//! Layer norms written out, and scales, shifts and biases that belong to the layer before.

use std::rc::Rc;

use graph::Op;
use graph::op::LayerNorm;

use super::draft::{Draft, Step, weights};
use super::names::module;
use super::rewrite::{added, product, replace};

/// `(x - mean) / sqrt(variance + eps)` over the channels.
pub fn layer_norm(drafts: &mut [Draft], i: usize) {
    if let Some((x, eps)) = written_out(drafts, i) {
        replace(&mut drafts[i], Op::LayerNorm(LayerNorm { eps, affine: false }), vec![x]);
    }
}

/// What is normalised, and epsilon, where draft `i` is the last part of a layer norm.
fn written_out(drafts: &[Draft], i: usize) -> Option<(usize, f32)> {
    let (centred, by) = match (&drafts[i].step, &drafts[i].inputs[..]) {
        (Step::Ratio | Step::PixelProduct, [a, b]) => (*a, *b),
        _ => return None,
    };
    let root = match drafts[i].step {
        Step::PixelProduct if drafts[by].step == Step::Reciprocal => drafts[by].inputs[0],
        Step::PixelProduct => return None,
        _ => by,
    };
    let input = |at: usize, step: &Step| (drafts[at].step == *step).then(|| drafts[at].inputs[0]);
    let (eps, variance) = added(drafts, input(root, &Step::Sqrt)?)?;
    let (number, squares) = product(drafts, input(variance, &Step::ChannelMean)?, usize::MAX);
    let x = centre(drafts, centred)?;
    let square = squares.len() == 2 && squares.iter().all(|&s| centre(drafts, s) == Some(x));
    (number == 1.0 && square).then_some((x, eps))
}

/// `x` where draft `i` is `x` minus its mean.
fn centre(drafts: &[Draft], i: usize) -> Option<usize> {
    let [x, mean] = drafts[i].inputs[..] else { return None };
    let is = drafts[i].step == Step::Less && drafts[mean].step == Step::ChannelMean;
    (is && drafts[mean].inputs == [x]).then_some(x)
}

/// A scale and a shift behind a layer norm that has none.
pub fn affine(drafts: &mut [Draft], i: usize, readers: &[usize]) {
    if !matches!(drafts[i].step, Step::Op(Op::Shift(_))) {
        return;
    }
    let scale = drafts[i].inputs[0];
    if !matches!(drafts[scale].step, Step::Op(Op::Scale(_))) || readers[scale] != 1 {
        return;
    }
    let norm = drafts[scale].inputs[0];
    let Step::Op(Op::LayerNorm(LayerNorm { eps, affine: false })) = drafts[norm].step else {
        return;
    };
    let values = |at: usize| Rc::clone(&drafts[at].weights[0].values);
    let with = weights(vec![("weight", values(scale)), ("bias", values(i))]);
    let path = [scale, i].into_iter().find_map(|at| module(drafts[at].path.as_deref()));
    let x = drafts[norm].inputs.clone();
    replace(&mut drafts[i], Op::LayerNorm(LayerNorm { eps, affine: true }), x);
    (drafts[i].weights, drafts[i].path) = (with, path);
}

/// A bias that is added by an operator of its own.
pub fn bias(drafts: &mut [Draft], i: usize, readers: &[usize]) {
    if !matches!(drafts[i].step, Step::Op(Op::Shift(_))) {
        return;
    }
    let named = drafts[i]
        .path
        .as_deref()
        .is_some_and(|p| p.rsplit_once('.').is_some_and(|(_, last)| last == "bias"));
    // One number for all channels is the arithmetic of the network, not a bias.
    let unnamed = drafts[i].path.is_none() && added(drafts, i).is_none();
    let layer = drafts[i].inputs[0];
    if !(named || unnamed) || readers[layer] != 1 {
        return;
    }
    let op = match drafts[layer].step {
        Step::Op(Op::Linear(l)) if !l.bias => Op::Linear(graph::Linear { bias: true, ..l }),
        Step::Op(Op::Conv(c)) if !c.bias => Op::Conv(graph::Conv { bias: true, ..c }),
        _ => return,
    };
    let path = drafts[layer].path.clone().or_else(|| module(drafts[i].path.as_deref()));
    let mut with = std::mem::take(&mut drafts[layer].weights);
    with.extend(weights(vec![("bias", Rc::clone(&drafts[i].weights[0].values))]));
    let x = drafts[layer].inputs.clone();
    replace(&mut drafts[i], op, x);
    (drafts[i].weights, drafts[i].path, drafts[i].site) = (with, path, drafts[layer].site);
}
