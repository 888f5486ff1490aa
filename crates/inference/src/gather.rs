//! Operations that move channels and compute none. Each is a list of where the channels come from: a
//! list stays one whatever channels go, where a slice or a shuffle would lose its regular form, and
//! copying by a list costs no more.

use graph::op::{PadChannels, Shuffle, Slice};
use kernels::channels::Source;

/// All channels of all inputs, which have so many each.
pub(crate) fn concat(channels: impl Iterator<Item = usize>) -> Vec<Source> {
    let of = |(input, count)| (0..count).map(move |channel| Source::Channel { input, channel });
    channels.enumerate().flat_map(of).collect()
}

/// Some channels.
pub(crate) fn slice(slice: Slice) -> Vec<Source> {
    (slice.start..slice.end).map(first).collect()
}

/// So many channels in the order of a shuffle.
pub(crate) fn shuffle(channels: usize, Shuffle { groups }: Shuffle) -> Vec<Source> {
    let each = channels / groups;
    (0..channels).map(|c| first(c % groups * each + c / groups)).collect()
}

/// The channels of the input as some of `channels`, zeros the others.
pub(crate) fn pad_channels(channels: usize, pad: PadChannels) -> Vec<Source> {
    let own = pad.before..channels - pad.after;
    let of = |c| if own.contains(&c) { first(c - pad.before) } else { Source::Value(0.0) };
    (0..channels).map(of).collect()
}

/// This channel of the first input.
fn first(channel: usize) -> Source {
    Source::Channel { input: 0, channel }
}
