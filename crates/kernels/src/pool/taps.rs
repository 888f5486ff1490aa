//! Which pixels windows read, one axis at a time.

/// The pixels that a window reads along one axis: an iterator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taps {
    /// The first that is inside the input.
    pub next: usize,
    /// All are before it.
    pub end: usize,
    /// From one to the next.
    pub step: usize,
    /// By how many a sum is divided for the average.
    pub counted: usize,
}

#[allow(
    clippy::copy_iterator,
    reason = "the same windows are walked once a channel, each from its start"
)]
impl Iterator for Taps {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let at = self.next;
        self.next += self.step;
        (at < self.end).then_some(at)
    }
}

/// The pixels of all windows of a map: those of each row of windows, and of each column.
pub(crate) struct Windows {
    /// Columns of the input.
    pub width: usize,
    pub rows: Vec<Taps>,
    pub columns: Vec<Taps>,
}

/// Windows along one axis.
pub(super) struct Axis {
    pub size: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    /// Before and after.
    pub padding: [usize; 2],
    /// Whether averages are over the padding too.
    pub count_padding: bool,
}

impl Axis {
    /// The pixels of window `o`. Padding that is counted ends where the padded input does, as in
    /// `PyTorch`: what a window of ceil mode reaches beyond that is left out.
    pub(super) fn taps(&self, o: usize) -> Taps {
        let [before, after] = self.padding;
        // Positions in the padded input.
        let start = o * self.stride;
        let end = start + (self.kernel - 1) * self.dilation + 1;
        let skipped = before.saturating_sub(start).div_ceil(self.dilation);
        let first = start + skipped * self.dilation;
        let inside = end.min(before + self.size);
        let count = |first: usize, end: usize| end.saturating_sub(first).div_ceil(self.dilation);
        let padded = end.min(before + self.size + after);
        let counted = if self.count_padding { count(start, padded) } else { count(first, inside) };
        let end = inside.max(first) - before;
        Taps { next: first - before, end, step: self.dilation, counted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_clipped_to_the_input() {
        let axis = Axis {
            size: 5,
            kernel: 3,
            stride: 2,
            dilation: 2,
            padding: [3, 1],
            count_padding: false,
        };
        let pixels = |o: usize| axis.taps(o).collect::<Vec<_>>();
        assert_eq!([pixels(0), pixels(1), pixels(2)], [vec![1], vec![1, 3], vec![1, 3]]);
        let counted =
            |count_padding: bool| [0, 1, 2].map(|o| Axis { count_padding, ..axis }.taps(o).counted);
        assert_eq!(counted(false), [1, 2, 2]);
        assert_eq!(counted(true), [3, 3, 3]);
        assert_eq!(Axis { count_padding: true, ..axis }.taps(3).counted, 2);
    }
}
