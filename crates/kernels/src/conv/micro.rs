//! The two products of registers that all dense convolutions are made of.
#![allow(unsafe_code, reason = "operands are read through pointers at computed offsets")]

use std::ops::Range;

use pulp::Simd;

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::epilogue::Finish;
use crate::{LANES, isa, prefetch};

/// Rows of a panel: outputs that are computed together.
pub(crate) const ROWS: usize = 8;
/// Most vectors of a product's columns.
pub(crate) const COLUMNS: usize = 3;

/// Vectors that a product of columns takes at once with the instructions in use.
pub(crate) fn columns() -> usize {
    if isa::width() >= LANES / 2 { COLUMNS } else { 1 }
}

/// Panels that a product of so many columns takes at once: registers that columns leave free hold the sums of
/// more outputs, so that a column is read less often.
pub(crate) fn panels(columns: usize) -> usize {
    if isa::width() == LANES && columns == 1 { PANELS } else { 1 }
}

/// Part `index` of `panels` panels in at most `parts` parts, which split no product of `together` panels.
pub(crate) fn share(index: usize, parts: usize, panels: usize, together: usize) -> Range<usize> {
    let products = panels.div_ceil(together);
    let first = |index: usize| panels.min(index * products / parts * together);
    first(index)..first(index + 1)
}

/// Most panels of a product.
pub(crate) const PANELS: usize = 3;

/// `len` steps of a product: at step `k` eight factors `a[8 * k..]` of each panel and the vectors at `taps[k]`
/// from each column.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    pub a: *const f32,
    /// Values from one panel to the next.
    pub apart: usize,
    pub taps: *const u32,
    pub len: usize,
}

/// Where a product goes: rows `stride` apart in each column.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub rows: usize,
    pub stride: usize,
    /// What the sums start with: a value a row, of whole panels; null to add to what is there.
    pub start: *const f32,
    pub finish: Finish,
}

impl Target {
    /// The rows of one panel.
    ///
    /// # Safety
    /// What the sums start with must be in range.
    #[inline(always)]
    unsafe fn panel(self, panel: usize) -> Self {
        let first = panel * ROWS;
        let start = if self.start.is_null() {
            self.start
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.start.add(first) }
        };
        Self { rows: ROWS.min(self.rows - first), start, ..self }
    }
}

/// `out[c][r * stride..] = start[r] + sum over k of a[r / 8 * apart + 8 * k + r % 8] * x[c][taps[k]..]`, in vectors of
/// sixteen, for up to [`columns`] columns and the rows of up to [`panels`] panels.
///
/// # Safety
/// Every read of `a`, `taps`, `x` and `start` and every write of `out` must be in range, and no
/// other thread may touch what is written.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd>(
    simd: S,
    steps: Steps,
    x: &[*const f32],
    out: &[*mut f32],
    target: Target,
) {
    // SAFETY: the caller's promise; registers of one vector follow each other.
    unsafe {
        match (S::F32_LANES, x.len()) {
            (16, 1) => column(simd, steps, x[0], out[0], target),
            (16, 2) => {
                part::<S, 8, 2>(simd, (0, steps), [x[0], x[1]], [out[0], out[1]], target);
            }
            (16, _) => {
                let out = [out[0], out[1], out[2]];
                part::<S, 8, 3>(simd, (0, steps), [x[0], x[1], x[2]], out, target);
            }
            // Of sixteen registers twelve hold sums: four rows of three halves of a vector.
            (8, 3) => {
                let halves = [
                    ([x[0], x[0].add(8), x[1]], [out[0], out[0].add(8), out[1]]),
                    ([x[1].add(8), x[2], x[2].add(8)], [out[1].add(8), out[2], out[2].add(8)]),
                ];
                for (steps, target) in stretches(steps, target) {
                    for (x, out) in halves {
                        part::<S, 4, 3>(simd, (0, steps), x, out, target);
                        part::<S, 4, 3>(simd, (4, steps), x, out, target);
                    }
                }
            }
            (8, _) => {
                for (x, out) in x.iter().zip(out) {
                    let (x, out) = ([*x, x.add(8)], [*out, out.add(8)]);
                    part::<S, 4, 2>(simd, (0, steps), x, out, target);
                    part::<S, 4, 2>(simd, (4, steps), x, out, target);
                }
            }
            (4, _) => {
                let x = [x[0], x[0].add(4), x[0].add(8), x[0].add(12)];
                let out = [out[0], out[0].add(4), out[0].add(8), out[0].add(12)];
                part::<S, 4, 4>(simd, (0, steps), x, out, target);
                part::<S, 4, 4>(simd, (4, steps), x, out, target);
            }
            _ => {
                for lane in (0..LANES).step_by(S::F32_LANES) {
                    let (x, out) = ([x[0].add(lane)], [out[0].add(lane)]);
                    part::<S, 8, 1>(simd, (0, steps), x, out, target);
                }
            }
        }
    }
}

/// Steps whose operands stay in the first-level cache while the quarters of a product read them: 28 KiB.
const STRETCH: usize = 128;

/// The steps of a product in stretches one after the other, each with its part of the target.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn stretches(steps: Steps, target: Target) -> impl Iterator<Item = (Steps, Target)> {
    let last = steps.len.saturating_sub(1) / STRETCH * STRETCH;
    (0..=last).step_by(STRETCH).map(move |first| {
        // SAFETY: both pointers stay within what the steps read.
        let (a, taps) = unsafe { (steps.a.add(first * ROWS), steps.taps.add(first)) };
        let len = STRETCH.min(steps.len - first);
        let start = if first == 0 { target.start } else { std::ptr::null() };
        let finish = if first == last { target.finish } else { Finish::NONE };
        (Steps { a, taps, len, ..steps }, Target { start, finish, ..target })
    })
}

#[inline(always)]
unsafe fn part<S: Simd, const R: usize, const N: usize>(
    simd: S,
    (first, steps): (usize, Steps),
    x: [*const f32; N],
    out: [*mut f32; N],
    target: Target,
) {
    // SAFETY: the promise of `product`.
    unsafe {
        let mut sums = [begin::<S, R, N>(simd, first, out, target)];
        add_products::<S, R, N, 1>(simd, (first, steps), x, &mut sums);
        end(simd, sums[0], first, out, target);
    }
}

/// [`product`] of one column: all panels at once where there are as many as may be, else one by one.
#[inline(always)]
unsafe fn column<S: Simd>(simd: S, steps: Steps, x: *const f32, out: *mut f32, target: Target) {
    // SAFETY: the promise of `product`.
    unsafe {
        if target.rows <= (PANELS - 1) * ROWS {
            for panel in 0..target.rows.div_ceil(ROWS) {
                let steps = Steps { a: steps.a.add(panel * steps.apart), ..steps };
                let (out, target) = (out.add(panel * ROWS * target.stride), target.panel(panel));
                part::<S, ROWS, 1>(simd, (0, steps), [x], [out], target);
            }
            return;
        }
        // One after the other: in a loop the compiler would keep the sums in memory.
        let mut sums = [
            begin::<S, ROWS, 1>(simd, 0, [out], target),
            begin::<S, ROWS, 1>(simd, ROWS, [out], target),
            begin::<S, ROWS, 1>(simd, 2 * ROWS, [out], target),
        ];
        add_products::<S, ROWS, 1, PANELS>(simd, (0, steps), [x], &mut sums);
        end(simd, sums[0], 0, [out], target);
        end(simd, sums[1], ROWS, [out], target);
        end(simd, sums[2], 2 * ROWS, [out], target);
    }
}

/// What the sums of the rows from `first` on start with.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn begin<S: Simd, const R: usize, const N: usize>(
    simd: S,
    first: usize,
    out: [*mut f32; N],
    target: Target,
) -> [[S::f32s; N]; R] {
    let mut sums = [[simd.splat_f32s(0.0); N]; R];
    // SAFETY: the promise of `product`.
    unsafe {
        for r in 0..R {
            for c in 0..N {
                if !target.start.is_null() {
                    sums[r][c] = simd.splat_f32s(*target.start.add(first + r));
                } else if first + r < target.rows {
                    sums[r][c] = load::<S>(out[c].add((first + r) * target.stride));
                }
            }
        }
    }
    sums
}

/// Writes the sums of the rows from `first` on.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn end<S: Simd, const R: usize, const N: usize>(
    simd: S,
    mut sums: [[S::f32s; N]; R],
    first: usize,
    out: [*mut f32; N],
    target: Target,
) {
    // SAFETY: the promise of `product`.
    unsafe {
        target.finish.rectify(simd, &mut sums);
        for r in 0..R {
            if first + r < target.rows {
                for c in 0..N {
                    store::<S>(out[c].add((first + r) * target.stride), sums[r][c]);
                }
            }
        }
        if target.finish.adds() {
            for r in first..target.rows.min(first + R) {
                for out in out {
                    target.finish.apply_at(simd, out.add(r * target.stride));
                }
            }
        }
    }
}

/// How many values ahead of those in use a panel is prefetched: the products of one image would wait for its weights
/// (docs/performance.md).
pub(super) const AHEAD: usize = 512;

/// `sums[p][r][c] += sum over k of a[p * apart + 8 * k + first + r] * x[c][taps[k]..]`.
///
/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn add_products<S: Simd, const R: usize, const N: usize, const P: usize>(
    simd: S,
    (first, steps): (usize, Steps),
    x: [*const f32; N],
    sums: &mut [[[S::f32s; N]; R]; P],
) {
    // SAFETY: the caller's promise. Registers of eight values are AVX2's.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        if S::F32_LANES == 8 && P == 1 && (R, N) == avx2::SHAPE {
            // The registers as the instructions have them; in memory ours are aligned to four bytes.
            let registers = std::ptr::from_mut(sums).cast::<avx2::Sums>();
            let mut own = registers.read_unaligned();
            avx2::add_products((first, steps), [x[0], x[1], x[2]], &mut own);
            registers.write_unaligned(own);
            return;
        }
        for k in 0..steps.len {
            let tap = *steps.taps.add(k) as usize;
            let mut b = [simd.splat_f32s(0.0); N];
            for c in 0..N {
                b[c] = load::<S>(x[c].add(tap));
            }
            for p in 0..P {
                let a = steps.a.add(p * steps.apart + k * ROWS + first);
                prefetch(a.wrapping_add(AHEAD));
                for r in 0..R {
                    let a = simd.splat_f32s(*a.add(r));
                    for c in 0..N {
                        sums[p][r][c] = simd.mul_add_f32s(a, b[c], sums[p][r][c]);
                    }
                }
            }
        }
    }
}

/// The reduction over images: `pixels[i]` is where pixel `i` stands behind each row of `x`, and
/// `y` holds for each pixel and image a row of `stride` values.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a> {
    pub pixels: &'a [u32],
    pub y: *const f32,
    pub stride: usize,
}

/// `out[r * stride..] += sum over pixels and images of x[r][pixel + image] * y[pixel, image, ..]`
/// for `vectors` vectors of sixteen (at most three) and eight rows, of which the first `rows` are
/// written.
///
/// # Safety
/// Every read of `x` and `y` and every write of `out` must be in range, and no other thread may
/// touch what is written.
#[inline(always)]
pub(crate) unsafe fn outer<S: Simd>(
    simd: S,
    x: [*const f32; ROWS],
    images: Images,
    vectors: usize,
    (out, stride, rows): (*mut f32, usize, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        match (S::F32_LANES, vectors) {
            (16, 1) => sums::<S, 8, 1>(simd, x, images, (out, stride, rows)),
            (16, 2) => sums::<S, 8, 2>(simd, x, images, (out, stride, rows)),
            (16, _) => sums::<S, 8, 3>(simd, x, images, (out, stride, rows)),
            (lanes, _) => {
                let (upper, lower) = ([x[0], x[1], x[2], x[3]], [x[4], x[5], x[6], x[7]]);
                let wide = 2 * lanes;
                for at in (0..vectors * LANES).step_by(wide) {
                    let images = Images { y: images.y.add(at), ..images };
                    sums::<S, 4, 2>(simd, upper, images, (out.add(at), stride, rows));
                    let below = out.add(at).wrapping_add(4 * stride);
                    sums::<S, 4, 2>(simd, lower, images, (below, stride, rows.saturating_sub(4)));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn sums<S: Simd, const R: usize, const N: usize>(
    simd: S,
    x: [*const f32; R],
    images: Images,
    (out, stride, rows): (*mut f32, usize, usize),
) {
    // SAFETY: the promise of `outer`.
    unsafe {
        let mut sums = [[simd.splat_f32s(0.0); N]; R];
        let mut y = images.y;
        for &pixel in images.pixels {
            for lane in 0..LANES {
                let mut b = [simd.splat_f32s(0.0); N];
                for c in 0..N {
                    b[c] = load::<S>(y.add(c * S::F32_LANES));
                }
                for r in 0..R {
                    let a = simd.splat_f32s(*x[r].add(pixel as usize + lane));
                    for c in 0..N {
                        sums[r][c] = simd.mul_add_f32s(a, b[c], sums[r][c]);
                    }
                }
                y = y.add(images.stride);
            }
        }
        for r in 0..R.min(rows) {
            for c in 0..N {
                let out = out.add(r * stride + c * S::F32_LANES);
                store::<S>(out, simd.add_f32s(load::<S>(out), sums[r][c]));
            }
        }
    }
}

/// # Safety
/// A register's worth of values must be readable at `at`.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: the caller's promise; any bits are valid values.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// A register's worth of values must be writable at `at`.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(at: *mut f32, values: S::f32s) {
    // SAFETY: the caller's promise.
    unsafe { at.cast::<S::f32s>().write_unaligned(values) }
}
