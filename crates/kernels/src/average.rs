//! Average pooling over a grid of windows that cover a channel (adaptive pooling); a grid of one
//! window is the global average.

use rayon::prelude::*;

use crate::{Kernel, LANES, lanes, simd};

/// Sizes of a channel's pixels and of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Windows along each side: window `o` spans the pixels from `floor(o * size / side)` up to
    /// `ceil((o + 1) * size / side)`, so that neighbours may share some.
    pub side: usize,
}

impl Grid {
    /// Values of one (block, channel) before and after, of which `x` and `y` must hold as many.
    fn planes(self, x: &[f32], y: &[f32]) -> (usize, usize) {
        let (from, to) = (self.h * self.w * LANES, self.side * self.side * LANES);
        assert!(x.len().is_multiple_of(from) && x.len() / from * to == y.len(), "planes");
        (from, to)
    }

    /// The pixels of window `o` along a side of `size`.
    #[inline(always)]
    pub(crate) fn span(self, o: usize, size: usize) -> std::ops::Range<usize> {
        o * size / self.side..((o + 1) * size).div_ceil(self.side)
    }

    /// The pixels of window `o`, and how many they are.
    #[inline(always)]
    fn window(self, o: usize) -> (impl Iterator<Item = usize>, usize) {
        let (rows, columns) = (self.span(o / self.side, self.h), self.span(o % self.side, self.w));
        let count = rows.len() * columns.len();
        (rows.flat_map(move |y| columns.clone().map(move |x| y * self.w + x)), count)
    }
}

/// `y = mean over each window of x`, for every block and channel.
pub fn to_grid(grid: Grid, x: &[f32], y: &mut [f32]) {
    let (from, to) = grid.planes(x, y);
    let planes = y.par_chunks_mut(to).zip(x.par_chunks(from));
    planes.for_each(|(y, x)| simd::<GridPlane, _>((grid, x, y)));
}

/// One block and channel.
struct GridPlane;

impl Kernel<(Grid, &[f32], &mut [f32])> for GridPlane {
    type Out = ();

    #[inline(always)]
    fn run((grid, x, y): (Grid, &[f32], &mut [f32])) {
        let x = lanes::vectors(x);
        for (o, y) in lanes::vectors_mut(y).iter_mut().enumerate() {
            let (pixels, count) = grid.window(o);
            let mut sum = [0.0; LANES];
            for i in pixels {
                (0..LANES).for_each(|l| sum[l] += x[i][l]);
            }
            (0..LANES).for_each(|l| y[l] = sum[l] / count as f32);
        }
    }
}

/// Writes `dx`: the sum over the windows that hold the pixel of their `dy / pixels`.
pub fn to_grid_grad(grid: Grid, dy: &[f32], dx: &mut [f32]) {
    let (from, to) = grid.planes(dx, dy);
    let planes = dx.par_chunks_mut(from).zip(dy.par_chunks(to));
    planes.for_each(|(dx, dy)| simd::<GridGradPlane, _>((grid, dy, dx)));
}

/// One block and channel.
struct GridGradPlane;

impl Kernel<(Grid, &[f32], &mut [f32])> for GridGradPlane {
    type Out = ();

    #[inline(always)]
    fn run((grid, dy, dx): (Grid, &[f32], &mut [f32])) {
        let dx = lanes::vectors_mut(dx);
        dx.fill([0.0; LANES]);
        for (o, dy) in lanes::vectors(dy).iter().enumerate() {
            let (pixels, count) = grid.window(o);
            for i in pixels {
                (0..LANES).for_each(|l| dx[i][l] += dy[l] / count as f32);
            }
        }
    }
}

/// `y[block, channel] = mean over pixels of x[block, channel]`.
pub fn forward(x: &[f32], pixels: usize, y: &mut [f32]) {
    assert_eq!(x.len(), y.len() * pixels, "input and output");
    let planes = y.par_chunks_mut(LANES).zip(x.par_chunks(pixels * LANES));
    planes.for_each(simd::<Mean, _>);
}

/// The mean of one plane.
struct Mean;

impl Kernel<(&mut [f32], &[f32])> for Mean {
    type Out = ();

    #[inline(always)]
    fn run((y, x): (&mut [f32], &[f32])) {
        let mut sum = [0.0; LANES];
        for v in lanes::vectors(x) {
            (0..LANES).for_each(|l| sum[l] += v[l]);
        }
        let pixels = (x.len() / LANES) as f32;
        (0..LANES).for_each(|l| y[l] = sum[l] / pixels);
    }
}

/// `dx[block, channel, pixel] = dy[block, channel] / pixels`.
pub fn backward(dy: &[f32], pixels: usize, dx: &mut [f32]) {
    assert_eq!(dx.len(), dy.len() * pixels, "input and output");
    let planes = dx.par_chunks_mut(pixels * LANES).zip(dy.par_chunks(LANES));
    planes.for_each(simd::<Spread, _>);
}

/// The gradient of one plane.
struct Spread;

impl Kernel<(&mut [f32], &[f32])> for Spread {
    type Out = ();

    #[inline(always)]
    fn run((dx, dy): (&mut [f32], &[f32])) {
        let pixels = (dx.len() / LANES) as f32;
        for v in lanes::vectors_mut(dx) {
            (0..LANES).for_each(|l| v[l] = dy[l] / pixels);
        }
    }
}
