//! Zeros around maps.

use rayon::prelude::*;

use crate::{LANES, Sides, Size};

/// A map and what is put around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Border {
    /// Of the map itself.
    pub size: Size,
    /// Zeros on each side.
    pub sides: Sides,
}

impl Border {
    /// Of the map with what is around it.
    pub fn output(&self) -> Size {
        let Sides { top, left, bottom, right } = self.sides;
        Size { h: self.size.h + top + bottom, w: self.size.w + left + right }
    }

    /// Values of a (block, channel) inside and with the border, of which the slices hold as many.
    fn planes(&self, inner: &[f32], outer: &[f32]) -> [usize; 2] {
        let planes = [self.size, self.output()].map(|size| size.pixels() * LANES);
        let [from, to] = planes;
        assert!(
            inner.len().is_multiple_of(from) && inner.len() / from * to == outer.len(),
            "planes"
        );
        planes
    }

    /// Where row `row` of the map begins within a bordered plane.
    fn start(&self, row: usize) -> usize {
        ((self.sides.top + row) * self.output().w + self.sides.left) * LANES
    }
}

/// Writes `x` with its border; its gradient is [`crop`].
pub fn pad(border: Border, x: &[f32], y: &mut [f32]) {
    let [from, to] = border.planes(x, y);
    let row = border.size.w * LANES;
    y.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(y, x)| {
        y.fill(0.0);
        for (i, x) in x.chunks_exact(row).enumerate() {
            y[border.start(i)..][..row].copy_from_slice(x);
        }
    });
}

/// Writes `y` without the border of `x`; its gradient is [`pad`].
pub fn crop(border: Border, x: &[f32], y: &mut [f32]) {
    let [to, from] = border.planes(y, x);
    let row = border.size.w * LANES;
    y.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(y, x)| {
        for (i, y) in y.chunks_exact_mut(row).enumerate() {
            y.copy_from_slice(&x[border.start(i)..][..row]);
        }
    });
}
