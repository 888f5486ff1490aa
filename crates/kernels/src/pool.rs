//! Max pooling with any kernel, stride and padding.

use rayon::prelude::*;

use crate::{Kernel, LANES, lanes, simd, windows};

/// Sizes of a pooling: input pixels and windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// Input height.
    pub h: usize,
    /// Input width.
    pub w: usize,
    /// Window height and width.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Minus infinities on each side.
    pub padding: usize,
}

impl Pooling {
    /// Output height.
    pub fn oh(&self) -> usize {
        windows(self.h, self.kernel, self.stride, self.padding)
    }

    /// Output width.
    pub fn ow(&self) -> usize {
        windows(self.w, self.kernel, self.stride, self.padding)
    }

    /// Values of one (block, channel) before and after, of which `x` and `y` must hold as many.
    fn planes(self, x: &[f32], y: &[f32]) -> (usize, usize) {
        let (from, to) = (self.h * self.w * LANES, self.oh() * self.ow() * LANES);
        assert!(x.len().is_multiple_of(from) && x.len() / from * to == y.len(), "planes");
        (from, to)
    }

    /// The input pixels of the window at (`oy`, `ox`), in scan order.
    #[inline(always)]
    fn window(self, oy: usize, ox: usize) -> impl Iterator<Item = usize> {
        let rows = self.span(oy, self.h);
        rows.flat_map(move |y| self.span(ox, self.w).map(move |x| y * self.w + x))
    }

    /// The input pixels of window `o` along one side.
    #[inline(always)]
    pub(crate) fn span(self, o: usize, size: usize) -> std::ops::Range<usize> {
        let first = o * self.stride;
        let end = (first + self.kernel).saturating_sub(self.padding).min(size);
        first.saturating_sub(self.padding)..end
    }
}

/// `y = max over each window of x`, for every block and channel.
pub fn forward(p: Pooling, x: &[f32], y: &mut [f32]) {
    let (from, to) = p.planes(x, y);
    let planes = y.par_chunks_mut(to).zip(x.par_chunks(from));
    planes.for_each(|(y, x)| simd::<ForwardPlane, _>((p, x, y)));
}

/// One block and channel.
struct ForwardPlane;

impl Kernel<(Pooling, &[f32], &mut [f32])> for ForwardPlane {
    type Out = ();

    #[inline(always)]
    fn run((p, x, y): (Pooling, &[f32], &mut [f32])) {
        let (x, y) = (lanes::vectors(x), lanes::vectors_mut(y));
        for (o, best) in y.iter_mut().enumerate() {
            *best = [f32::NEG_INFINITY; LANES];
            for i in p.window(o / p.ow(), o % p.ow()) {
                (0..LANES).for_each(|l| best[l] = larger(best[l], x[i][l]));
            }
        }
    }
}

/// The larger of two, NaN if the new one is, as `PyTorch` has it.
#[inline(always)]
pub(crate) fn larger(best: f32, new: f32) -> f32 {
    if new > best || new.is_nan() { new } else { best }
}

/// Writes `dx`: the sum of `dy` over the windows whose first maximum the pixel is, as in `PyTorch`.
/// A window that holds a NaN gives no gradient (in `PyTorch` its NaN gets it); the loss is none by then.
pub fn backward(p: Pooling, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let (from, to) = p.planes(x, dy);
    assert_eq!(x.len(), dx.len(), "input and its gradient");
    let planes = dx.par_chunks_mut(from).zip(x.par_chunks(from)).zip(dy.par_chunks(to));
    planes.for_each(|((dx, x), dy)| simd::<BackwardPlane, _>((p, x, dy, dx)));
}

/// One block and channel.
struct BackwardPlane;

impl Kernel<(Pooling, &[f32], &[f32], &mut [f32])> for BackwardPlane {
    type Out = ();

    #[inline(always)]
    fn run((p, x, dy, dx): (Pooling, &[f32], &[f32], &mut [f32])) {
        let (x, dy, dx) = (lanes::vectors(x), lanes::vectors(dy), lanes::vectors_mut(dx));
        if p.kernel == 2 && p.stride == 2 && p.padding == 0 {
            return backward_of_pairs(p, x, dy, dx);
        }
        dx.fill([0.0; LANES]);
        for (o, g) in dy.iter().enumerate() {
            give_to_first_maximum(p, (o / p.ow(), o % p.ow()), (x, g), dx);
        }
    }
}

/// Windows of 2x2 that share no pixel: each gradient is written once.
#[inline(always)]
fn backward_of_pairs(p: Pooling, x: &[[f32; LANES]], dy: &[[f32; LANES]], dx: &mut [[f32; LANES]]) {
    let whole = 2 * p.w * p.oh();
    let (pairs, rest) = dx.split_at_mut(whole);
    let rows = x.chunks_exact(2 * p.w).zip(pairs.chunks_exact_mut(2 * p.w));
    for ((x, dx), dy) in rows.zip(dy.chunks_exact(p.ow())) {
        let ((upper, lower), (to_upper, to_lower)) = (x.split_at(p.w), dx.split_at_mut(p.w));
        let from = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        let to = to_upper.chunks_exact_mut(2).zip(to_lower.chunks_exact_mut(2));
        for (((upper, lower), (to_upper, to_lower)), g) in from.zip(to).zip(dy) {
            let given = give(&[upper[0], upper[1], lower[0], lower[1]], g);
            (to_upper[0], to_upper[1]) = (given[0], given[1]);
            (to_lower[0], to_lower[1]) = (given[2], given[3]);
        }
        if p.w % 2 == 1 {
            (to_upper[p.w - 1], to_lower[p.w - 1]) = ([0.0; LANES], [0.0; LANES]);
        }
    }
    rest.fill([0.0; LANES]);
}

/// The gradient `g` at the first maximum of a window, 0 elsewhere.
#[inline(always)]
fn give(window: &[[f32; LANES]; 4], g: &[f32; LANES]) -> [[f32; LANES]; 4] {
    let mut given = [[0.0; LANES]; 4];
    for l in 0..LANES {
        let best = window.iter().fold(f32::NEG_INFINITY, |best, v| larger(best, v[l]));
        let mut left = g[l];
        for (to, v) in given.iter_mut().zip(window) {
            let here = v[l] == best;
            to[l] = if here { left } else { 0.0 };
            left = if here { 0.0 } else { left };
        }
    }
    given
}

#[inline(always)]
fn give_to_first_maximum(
    p: Pooling,
    (oy, ox): (usize, usize),
    (x, g): (&[[f32; LANES]], &[f32; LANES]),
    dx: &mut [[f32; LANES]],
) {
    let mut best = [f32::NEG_INFINITY; LANES];
    for i in p.window(oy, ox) {
        (0..LANES).for_each(|l| best[l] = larger(best[l], x[i][l]));
    }
    let mut left = *g;
    for i in p.window(oy, ox) {
        for l in 0..LANES {
            let here = if x[i][l] == best[l] { left[l] } else { 0.0 };
            dx[i][l] += here;
            left[l] = if x[i][l] == best[l] { 0.0 } else { left[l] };
        }
    }
}
