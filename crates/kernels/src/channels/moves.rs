//! Channels in another order or another activation.

use rayon::prelude::*;

use crate::LANES;

/// One of several activations whose channels follow one another.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its values.
    pub values: &'a [f32],
    /// Its channels.
    pub channels: usize,
}

/// Writes the channels of all `parts`, which have planes of `pixels`, one part after the other.
/// The gradient of a part is a [`slice()`].
pub fn concat(parts: &[Part], pixels: usize, y: &mut [f32]) {
    let channels = parts.iter().map(|part| part.channels).sum();
    let plane = pixels * LANES;
    let blocks = blocks(y.len(), channels * plane);
    let fits = |part: &Part| part.values.len() == blocks * part.channels * plane;
    assert!(parts.iter().all(fits), "parts");
    gather(y, plane, channels, |block, mut channel| {
        let is_within = |part: &&Part| {
            let within = channel < part.channels;
            channel -= if within { 0 } else { part.channels };
            within
        };
        let part = parts.iter().find(is_within).expect("a part of each channel");
        Some(&part.values[(block * part.channels + channel) * plane..][..plane])
    });
}

/// Some channels of an activation that has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// All channels.
    pub channels: usize,
    /// The first of some.
    pub start: usize,
    /// All of them are before it.
    pub end: usize,
    /// Pixels of a channel.
    pub pixels: usize,
}

impl Span {
    /// Values of a (block, channel), and channels of the span.
    fn check(&self, all: &[f32], some: &[f32]) -> (usize, usize) {
        let Self { channels, start, end, pixels } = *self;
        assert!(start < end && end <= channels, "channels {start} to {end} of {channels}");
        let (plane, count) = (pixels * LANES, end - start);
        let blocks = blocks(all.len(), channels * plane);
        assert_eq!(some.len(), blocks * count * plane, "channels {start} to {end}");
        (plane, count)
    }
}

/// Writes the channels of `span` of `x`; its gradient is [`pad`].
pub fn slice(span: Span, x: &[f32], y: &mut [f32]) {
    let (plane, count) = span.check(x, y);
    gather(y, plane, count, |block, channel| {
        Some(&x[(block * span.channels + span.start + channel) * plane..][..plane])
    });
}

/// Writes `x` as the channels of `span` of `y`, and zeros as its other channels; its gradient is
/// [`slice()`].
pub fn pad(span: Span, x: &[f32], y: &mut [f32]) {
    let (plane, count) = span.check(y, x);
    gather(y, plane, span.channels, |block, channel| {
        let within = (span.start..span.end).contains(&channel);
        within.then(|| &x[(block * count + channel - span.start) * plane..][..plane])
    });
}

/// Channels in groups, of which the first channels come first, then the second of all groups
/// (Zhang et al. 2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shuffle {
    /// All channels.
    pub channels: usize,
    /// Groups of consecutive channels, a divisor of them.
    pub groups: usize,
    /// Pixels of a channel.
    pub pixels: usize,
}

impl Shuffle {
    /// What undoes it, and so takes a gradient back.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self { groups: self.channels / self.groups, ..self }
    }

    /// Which channel of the input comes out as `channel`.
    pub fn source(&self, channel: usize) -> usize {
        channel % self.groups * (self.channels / self.groups) + channel / self.groups
    }
}

/// Writes the channels of `x` in the order of `shuffle`; its gradient is that of
/// [`Shuffle::inverse`].
pub fn shuffle(shuffle: Shuffle, x: &[f32], y: &mut [f32]) {
    let (channels, plane) = (shuffle.channels, shuffle.pixels * LANES);
    assert!(channels.is_multiple_of(shuffle.groups), "groups");
    blocks(y.len(), channels * plane);
    assert_eq!(x.len(), y.len(), "lengths");
    gather(y, plane, channels, |block, channel| {
        Some(&x[(block * channels + shuffle.source(channel)) * plane..][..plane])
    });
}

/// The number of blocks of `block` values.
fn blocks(len: usize, block: usize) -> usize {
    assert!(block > 0 && len.is_multiple_of(block), "blocks");
    len / block
}

/// Writes each plane of `y`: that which `source` says for its block and channel, or zeros.
fn gather<'a>(
    y: &mut [f32],
    plane: usize,
    channels: usize,
    source: impl Fn(usize, usize) -> Option<&'a [f32]> + Sync,
) {
    y.par_chunks_mut(plane).enumerate().for_each(|(i, y)| {
        match source(i / channels, i % channels) {
            Some(x) => y.copy_from_slice(x),
            None => y.fill(0.0),
        }
    });
}
