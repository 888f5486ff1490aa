//! Operations that move channels and compute none. Each is a list of where the channels come from: a
//! list stays one whatever channels go, where a slice or a shuffle would lose its regular form, and
//! copying by a list costs no more.

use graph::Shape;
use graph::op::{PadChannels, Shuffle, Slice};
use kernels::channels::{Source, Span};

use crate::sizes;

/// All channels of all inputs, which have so many each.
pub(crate) fn concat(channels: impl Iterator<Item = usize>) -> Vec<Source> {
    let of = |(input, count)| (0..count).map(move |channel| Source::Channel { input, channel });
    channels.enumerate().flat_map(of).collect()
}

/// All of so many channels.
pub(crate) fn all(channels: usize) -> Vec<Source> {
    (0..channels).map(first).collect()
}

/// Some channels.
pub(crate) fn slice(slice: Slice) -> Vec<Source> {
    (slice.start..slice.end).map(first).collect()
}

/// The channels of `x` in the order of a shuffle.
pub(crate) fn shuffle(x: Shape, shuffle: Shuffle) -> Vec<Source> {
    let shuffle = sizes::shuffle(x, shuffle);
    (0..x.c).map(|c| first(shuffle.source(c))).collect()
}

/// The channels of `x` with channels of zeros before and after them.
pub(crate) fn pad_channels(x: Shape, pad: PadChannels) -> Vec<Source> {
    let Span { channels, start, end, .. } = sizes::pad_channels(x, pad);
    let kept = start..end;
    let of = |c| if kept.contains(&c) { first(c - start) } else { Source::Value(0.0) };
    (0..channels).map(of).collect()
}

/// This channel of the first input.
fn first(channel: usize) -> Source {
    Source::Channel { input: 0, channel }
}
