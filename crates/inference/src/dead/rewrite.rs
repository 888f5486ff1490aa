//! Convolutions, and lists of channels, without the channels that go.

use super::{count, facts};
use crate::{Conv, Source, Weight};

/// What is known of what a layer reads.
pub(super) struct Input<'a> {
    /// Whether each channel stays.
    pub kept: &'a [bool],
    /// Its value, where it has one; where it goes and has none, nobody asks for what follows.
    pub constant: &'a [Option<f64>],
    /// The channel through which a padded convolution gets what the others gave.
    pub stand_in: Option<usize>,
}

/// `conv` with the kept ones of `outputs`, reading the kept ones of `input`.
pub(super) fn conv(conv: Conv, outputs: &[bool], input: &Input) -> Conv {
    if !outputs.contains(&false) && !input.kept.contains(&false) {
        return conv;
    }
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    for o in (0..outputs.len()).filter(|o| outputs[*o]) {
        bias.push((f64::from(conv.bias[o]) + into_bias(&conv, o, input)) as f32);
        push_row(&mut weight, &conv, o, input);
    }
    // One group for each channel, or as many as there were: then no channel went.
    let groups = if conv.groups == outputs.len() { count(outputs) } else { conv.groups };
    Conv { groups, weight: Weight::Floats(weight), bias, ..conv }
}

/// The kept ones of `outputs`: those of a list of channels of `inputs`.
pub(super) fn gather(sources: Vec<Source>, outputs: &[bool], inputs: &[Input]) -> Vec<Source> {
    let source = |source| match source {
        Source::Channel { input, channel } => inputs[input].moved(input, channel),
        Source::Value(_) => source,
    };
    let kept = sources.into_iter().zip(outputs).filter(|(_, kept)| **kept);
    kept.map(|(s, _)| source(s)).collect()
}

/// The inputs that a list of channels names, or the first where it names none, and the list of these.
pub(super) fn without_unused(inputs: &[usize], sources: &[Source]) -> (Vec<usize>, Vec<Source>) {
    let named = |i: usize| {
        sources.iter().any(|s| matches!(s, Source::Channel { input, .. } if *input == i))
    };
    let mut left: Vec<usize> = (0..inputs.len()).filter(|i| named(*i)).collect();
    if left.is_empty() {
        left.push(0);
    }
    let place = |i| left.iter().position(|l| *l == i).expect("an input that is named");
    let source = |source: &Source| match *source {
        Source::Channel { input, channel } => Source::Channel { input: place(input), channel },
        Source::Value(_) => *source,
    };
    let sources = sources.iter().map(source).collect();
    (left.iter().map(|i| inputs[*i]).collect(), sources)
}

impl Input<'_> {
    /// The source of what was `channel` of input number `input`. If that channel is dropped and its
    /// value is not known, nothing reads it: any value will do.
    fn moved(&self, input: usize, channel: usize) -> Source {
        if self.kept[channel] {
            return Source::Channel { input, channel: count(&self.kept[..channel]) };
        }
        Source::Value(self.constant[channel].unwrap_or(0.0) as f32)
    }
}

/// What output `o` loses without its dead inputs, where that is the same at all pixels.
fn into_bias(conv: &Conv, o: usize, input: &Input) -> f64 {
    if conv.is_padded() {
        return 0.0;
    }
    lost(conv, o, input).map(|(k, w)| k * facts::sum(w)).sum()
}

fn push_row(weight: &mut Vec<f32>, conv: &Conv, o: usize, input: &Input) {
    for (c, taps) in conv.reads(o).filter(|(c, _)| input.kept[*c]) {
        if input.stand_in == Some(c) {
            let own = input.constant[c].expect("what stands in is a constant");
            let at = |t: usize| lost(conv, o, input).map(move |(k, w)| k / own * f64::from(w[t]));
            let sums = taps.iter().enumerate().map(|(t, w)| f64::from(*w) + at(t).sum::<f64>());
            weight.extend(sums.map(|w| w as f32));
        } else {
            weight.extend_from_slice(taps);
        }
    }
}

/// The constants that go, and the taps of output `o` on them.
fn lost<'a>(conv: &'a Conv, o: usize, input: &'a Input) -> impl Iterator<Item = (f64, &'a [f32])> {
    let gone = conv.reads(o).filter(|(c, _)| !input.kept[*c]);
    gone.filter_map(|(c, w)| input.constant[c].map(|k| (k, w)))
}
