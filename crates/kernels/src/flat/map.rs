//! Where the pixels of one image lie.

#![allow(unsafe_code, reason = "several tasks write one image")]

use std::ops::Range;

use crate::LANES;
use crate::shared::Shared;

/// The channels of one image, `h` x `w` pixels each, with zeros around them.
///
/// Rows are `pitch = w + pad` values apart: the zeros to the right of a row are those to the left
/// of the next. So a window's value lies at a fixed distance from the window, across rows too, and
/// a channel is one long vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Map {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Zeros on each side.
    pub pad: usize,
}

impl Map {
    /// A value a channel, one behind the other.
    pub fn vector(channels: usize) -> Self {
        Self { channels, h: 1, w: 1, pad: 0 }
    }

    /// Whether it is a value a channel, one behind the other.
    pub fn is_vector(&self) -> bool {
        (self.h, self.w, self.pad) == (1, 1, 0)
    }

    /// Values between a row's first pixel and the next row's.
    pub fn pitch(&self) -> usize {
        self.w + self.pad
    }

    /// Values before a channel's first pixel, which begins a cache line.
    pub fn lead(&self) -> usize {
        (self.pad * self.pitch() + self.pad).next_multiple_of(LANES)
    }

    /// Vectors of sixteen that cover the pixels of a channel and the zeros between its rows.
    pub fn vectors(&self) -> usize {
        (self.h * self.pitch()).div_ceil(LANES)
    }

    /// Values from one channel to the next, zeros included.
    pub fn plane(&self) -> usize {
        if self.is_vector() {
            return 1;
        }
        let rows = (self.h + self.pad) * self.pitch() + self.pad;
        let lines = self.lead() / LANES + rows.div_ceil(LANES);
        // An odd number of lines: otherwise the channels of a window would compete for a few cache sets.
        (lines | 1) * LANES
    }

    /// Values of an image: its channels, and a vector's worth behind them, which windows touch.
    pub fn len(&self) -> usize {
        (self.channels * self.plane() + LANES).next_multiple_of(LANES)
    }

    /// Whether there are no pixels.
    pub fn is_empty(&self) -> bool {
        self.channels * self.h * self.w == 0
    }

    /// Where pixel (`y`, `x`) of channel `c` lies.
    pub fn at(&self, c: usize, y: usize, x: usize) -> usize {
        c * self.plane() + self.lead() + y * self.pitch() + x
    }

    /// For each value that the vectors of a channel cover: all bits set where it is a pixel, else
    /// none.
    pub(super) fn keep(&self) -> Vec<f32> {
        let is = |i: usize| i / self.pitch() < self.h && i % self.pitch() < self.w;
        let bits = |i| if is(i) { u32::MAX } else { 0 };
        (0..self.vectors() * LANES).map(|i| f32::from_bits(bits(i))).collect()
    }

    /// What is before and behind the vectors of a channel.
    pub(super) fn margins(&self) -> [Range<usize>; 2] {
        let behind = self.lead() + self.vectors() * LANES;
        [0..self.lead(), behind.min(self.plane())..self.plane()]
    }

    /// Sets the margins of channel `c` of `out` to zero.
    ///
    /// # Safety
    /// They must belong to this task alone.
    pub(super) unsafe fn clear_margins(&self, c: usize, out: &Shared) {
        for margin in self.margins() {
            // SAFETY: the caller's promise.
            let margin = unsafe { out.part(c * self.plane() + margin.start, margin.len()) };
            // Margins are few vectors, and whole ones.
            margin.as_chunks_mut().0.iter_mut().for_each(|vector| *vector = [0.0; LANES]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_the_zeros_between_them() {
        let map = Map { channels: 2, h: 3, w: 4, pad: 1 };
        assert_eq!((map.pitch(), map.lead(), map.vectors()), (5, 16, 1));
        assert_eq!(map.plane(), 16 + 32, "four rows of five and one, in an odd number of vectors");
        assert_eq!(map.at(1, 2, 3), 48 + 16 + 13);
        let kept: Vec<usize> = (0..16).filter(|i| map.keep()[*i].to_bits() != 0).collect();
        assert_eq!(kept, [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13]);
        assert_eq!(Map::vector(7).len(), 32);
    }
}
