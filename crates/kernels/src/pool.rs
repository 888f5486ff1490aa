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

    #[inline(always)]
    fn span(self, o: usize, size: usize) -> std::ops::Range<usize> {
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
fn larger(best: f32, new: f32) -> f32 {
    if new > best || new.is_nan() { new } else { best }
}

/// Writes `dx`: the sum of `dy` over the windows whose first maximum the pixel is, as in `PyTorch`.
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
    let (oh, ow) = (p.oh(), p.ow());
    for y in 0..oh {
        let row = 2 * y * p.w;
        for (column, g) in dy[y * ow..][..ow].iter().enumerate() {
            let at = row + 2 * column;
            let window = [at, at + 1, at + p.w, at + p.w + 1];
            let mut best = [f32::NEG_INFINITY; LANES];
            for i in window {
                (0..LANES).for_each(|l| best[l] = larger(best[l], x[i][l]));
            }
            let mut left = *g;
            for i in window {
                for l in 0..LANES {
                    let here = x[i][l] == best[l];
                    dx[i][l] = if here { left[l] } else { 0.0 };
                    left[l] = if here { 0.0 } else { left[l] };
                }
            }
        }
        if p.w > 2 * ow {
            dx[row + 2 * ow] = [0.0; LANES];
            dx[row + p.w + 2 * ow] = [0.0; LANES];
        }
    }
    dx[2 * oh * p.w..].fill([0.0; LANES]);
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
