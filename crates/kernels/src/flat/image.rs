//! What operations on one image read and write.

use rayon::prelude::*;

use super::Map;

/// One image.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Where its pixels lie.
    pub map: Map,
    /// Its values, with the zeros around them.
    pub values: &'a [f32],
}

/// Where an image is written.
#[derive(Debug)]
pub struct Output<'a> {
    /// Where its pixels lie.
    pub map: Map,
    /// All of its values are written: pixels, and zeros around them.
    pub values: &'a mut [f32],
    /// In how many parts at most, for as many threads. In one it is not handed to other threads at
    /// all: a thread that waits for them would begin another image meanwhile.
    pub tasks: usize,
}

impl<'a> Image<'a> {
    /// Channel `c`, with the zeros around its pixels.
    pub(super) fn channel(&self, c: usize) -> &'a [f32] {
        &self.values[c * self.map.plane()..][..self.map.plane()]
    }

    /// Row `row` of channel `c`.
    #[inline(always)]
    pub(super) fn row(&self, c: usize, row: usize) -> &'a [f32] {
        &self.values[self.map.at(c, row, 0)..][..self.map.w]
    }

    /// Refuses values of another length.
    pub(super) fn check(&self) {
        assert_eq!(self.values.len(), self.map.len(), "values of the input");
    }
}

impl Output<'_> {
    /// Calls `f` with runs of channels: the number of the first, and the values of all with zeros
    /// around them. Clears what is behind the last.
    pub(super) fn runs(self, f: impl Fn(usize, &mut [f32]) + Sync) {
        let Self { map, values, tasks } = self;
        assert_eq!(values.len(), map.len(), "values of the output");
        let (channels, behind) = values.split_at_mut(map.channels * map.plane());
        behind.fill(0.0);
        if tasks <= 1 {
            return f(0, channels);
        }
        let each = map.channels.div_ceil(tasks).max(1);
        let runs = channels.par_chunks_mut(each * map.plane()).enumerate();
        runs.for_each(|(i, run)| f(i * each, run));
    }

    /// Calls `f` with the number and the values of each channel.
    pub(super) fn each_channel(self, f: impl Fn(usize, &mut [f32]) + Sync) {
        let plane = self.map.plane();
        self.runs(|first, run| {
            let channels = run.chunks_exact_mut(plane).enumerate();
            channels.for_each(|(i, channel)| f(first + i, channel));
        });
    }
}

/// Clears `channel` and lists its rows of pixels.
pub(super) fn rows(map: Map, channel: &mut [f32]) -> impl Iterator<Item = &mut [f32]> {
    channel.fill(0.0);
    let rows = channel[map.lead()..].chunks_mut(map.pitch()).take(map.h);
    rows.map(move |row| &mut row[..map.w])
}

/// Clears what is around the pixels of `channel`.
pub(super) fn clear_around(map: Map, channel: &mut [f32]) {
    let (before, from_first) = channel.split_at_mut(map.lead());
    let (rows, behind) = from_first.split_at_mut(map.h * map.pitch());
    before.fill(0.0);
    rows.chunks_exact_mut(map.pitch()).for_each(|row| row[map.w..].fill(0.0));
    behind.fill(0.0);
}
