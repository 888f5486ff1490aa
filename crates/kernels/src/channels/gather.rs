//! Channels of several activations, in any order.

use rayon::prelude::*;

use super::Part;
use crate::LANES;

/// Where one channel comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// A channel of one of several inputs.
    Channel {
        /// Which of the inputs, counted from 0.
        input: usize,
        /// Which of its channels.
        channel: usize,
    },
    /// Nowhere: it has this value at all pixels.
    Value(f32),
}

/// Refuses channels that an input, of so many, does not have.
pub(crate) fn check(sources: &[Source], channels: impl Fn(usize) -> usize) {
    for source in sources {
        if let Source::Channel { input, channel } = *source {
            assert!(channel < channels(input), "channel {channel} of input {input}");
        }
    }
}

/// Writes the channels that `sources` name, of `parts`, which have planes of `pixels`.
pub fn gather(parts: &[Part], sources: &[Source], pixels: usize, y: &mut [f32]) {
    let (plane, count) = (pixels * LANES, sources.len());
    let block = plane * count;
    assert!(block > 0 && y.len().is_multiple_of(block), "blocks");
    let fits = |part: &Part| part.values.len() == y.len() / block * part.channels * plane;
    assert!(parts.iter().all(fits), "parts");
    check(sources, |input| parts[input].channels);
    y.par_chunks_mut(plane).enumerate().for_each(|(i, y)| match sources[i % count] {
        Source::Channel { input, channel } => {
            let Part { values, channels } = parts[input];
            y.copy_from_slice(&values[(i / count * channels + channel) * plane..][..plane]);
        }
        Source::Value(value) => y.fill(value),
    });
}
