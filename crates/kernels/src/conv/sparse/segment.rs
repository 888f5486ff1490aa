//! The two walks along a list.
#![allow(unsafe_code, reason = "operands are read through pointers at computed offsets")]

use pulp::Simd;

use super::super::epilogue::Finish;
use super::super::micro::{load, store};
use super::super::segment::Segment;
use super::list::Entry;
use crate::LANES;

/// Distances between the windows of a segment, in values.
#[derive(Clone, Copy)]
pub(in super::super) struct Steps {
    /// Between rows of what is read; columns are a vector apart.
    pub pitch: usize,
    /// Between rows and columns of the output.
    pub down: usize,
    pub across: usize,
}

/// Calls the generic function `$f` for the shape of a segment, with the number of registers that a
/// vector takes: a vector is used whole, so that its cache line is read once.
macro_rules! by_shape {
    ($segment:expr, $f:ident::<$S:ident>, $arguments:tt) => {
        match (LANES / $S::F32_LANES, $segment.rows, $segment.columns) {
            (1, 1, 16) => $f::<$S, 1, 16, 1> $arguments,
            (1, 2, 8) => $f::<$S, 2, 8, 1> $arguments,
            (1, 4, 4) => $f::<$S, 4, 4, 1> $arguments,
            (1, 1, 8) => $f::<$S, 1, 8, 1> $arguments,
            (1, 1, 4) => $f::<$S, 1, 4, 1> $arguments,
            (1, 1, 2) => $f::<$S, 1, 2, 1> $arguments,
            (1, 1, 1) => $f::<$S, 1, 1, 1> $arguments,
            (2, 1, 4) => $f::<$S, 1, 4, 2> $arguments,
            (2, 2, 2) => $f::<$S, 2, 2, 2> $arguments,
            (2, 4, 1) => $f::<$S, 4, 1, 2> $arguments,
            (2, 1, 2) => $f::<$S, 1, 2, 2> $arguments,
            (2, 1, 1) => $f::<$S, 1, 1, 2> $arguments,
            (4, 1, 4) => $f::<$S, 1, 4, 4> $arguments,
            (4, 2, 2) => $f::<$S, 2, 2, 4> $arguments,
            (4, 4, 1) => $f::<$S, 4, 1, 4> $arguments,
            (4, 1, 2) => $f::<$S, 1, 2, 4> $arguments,
            (4, 1, 1) => $f::<$S, 1, 1, 4> $arguments,
            (16, 1, 4) => $f::<$S, 1, 4, 16> $arguments,
            (16, 2, 2) => $f::<$S, 2, 2, 16> $arguments,
            (16, 4, 1) => $f::<$S, 4, 1, 16> $arguments,
            (16, 1, 2) => $f::<$S, 1, 2, 16> $arguments,
            (16, 1, 1) => $f::<$S, 1, 1, 16> $arguments,
            shape => unreachable!("no segment is {shape:?}"),
        }
    };
}

/// A partial sum along a list.
#[derive(Clone, Copy)]
pub(in super::super) struct Sum<'a> {
    pub entries: &'a [Entry],
    /// What it starts with; none to add to what is there.
    pub start: Option<f32>,
    pub finish: Finish,
}

/// `y = start + sum over entries of value * x[at..]`, finished.
///
/// # Safety
/// Every entry's reads from `x` and the segment's windows in `y` must be in range, and no other
/// thread may touch these windows.
#[inline(always)]
pub(in super::super) unsafe fn walk<S: Simd>(
    simd: S,
    segment: &Segment,
    (x, y): (*const f32, *mut f32),
    sum: Sum,
    steps: Steps,
) {
    // SAFETY: the caller's promise.
    unsafe { by_shape!(segment, sums::<S>, (simd, (x, y), sum, steps)) };
}

#[inline(always)]
unsafe fn sums<S: Simd, const R: usize, const C: usize, const V: usize>(
    simd: S,
    (x, y): (*const f32, *mut f32),
    sum: Sum,
    steps: Steps,
) {
    let place = |r: usize, c: usize, v: usize| r * steps.down + c * steps.across + v * S::F32_LANES;
    // SAFETY: the promise of `walk`.
    unsafe {
        let mut sums = [[[simd.splat_f32s(sum.start.unwrap_or(0.0)); V]; C]; R];
        if sum.start.is_none() {
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        sums[r][c][v] = load::<S>(y.add(place(r, c, v)));
                    }
                }
            }
        }
        for entry in sum.entries {
            let (value, x) = (simd.splat_f32s(entry.value), x.add(entry.at as usize));
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        let x = load::<S>(x.add(r * steps.pitch + c * LANES + v * S::F32_LANES));
                        sums[r][c][v] = simd.mul_add_f32s(value, x, sums[r][c][v]);
                    }
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                for v in 0..V {
                    store::<S>(y.add(place(r, c, v)), sums[r][c][v]);
                }
            }
        }
        if sum.finish.is_something() {
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        sum.finish.apply_at(simd, y.add(place(r, c, v)));
                    }
                }
            }
        }
    }
}

/// `sums[i] = sum over the windows of y * x[at of entry i..]`, a vector an entry; adds to what is
/// there unless `first`.
///
/// # Safety
/// Every entry's reads from `x` and the segment's windows in `y` must be in range, and `sums` must
/// hold a vector an entry.
#[inline(always)]
pub(in super::super) unsafe fn dots<S: Simd>(
    simd: S,
    segment: &Segment,
    (x, y): (*const f32, *const f32),
    (entries, sums, first): (&[Entry], *mut f32, bool),
    steps: Steps,
) {
    // SAFETY: the caller's promise.
    unsafe { by_shape!(segment, products::<S>, (simd, (x, y), (entries, sums, first), steps)) };
}

#[inline(always)]
unsafe fn products<S: Simd, const R: usize, const C: usize, const V: usize>(
    simd: S,
    (x, y): (*const f32, *const f32),
    (entries, sums, first): (&[Entry], *mut f32, bool),
    steps: Steps,
) {
    // SAFETY: the promise of `dots`.
    unsafe {
        let mut gradient = [[[simd.splat_f32s(0.0); V]; C]; R];
        for r in 0..R {
            for c in 0..C {
                for v in 0..V {
                    let at = r * steps.down + c * steps.across + v * S::F32_LANES;
                    gradient[r][c][v] = load::<S>(y.add(at));
                }
            }
        }
        for (i, entry) in entries.iter().enumerate() {
            let (x, sum) = (x.add(entry.at as usize), sums.add(i * LANES));
            // Several sums, so that no multiply-add waits for the one before it.
            let mut parts = [[simd.splat_f32s(0.0); V]; 4];
            if !first {
                for v in 0..V {
                    parts[0][v] = load::<S>(sum.add(v * S::F32_LANES));
                }
            }
            for r in 0..R {
                for c in 0..C {
                    for v in 0..V {
                        let x = load::<S>(x.add(r * steps.pitch + c * LANES + v * S::F32_LANES));
                        let part = (r * C + c) % 4;
                        parts[part][v] = simd.mul_add_f32s(gradient[r][c][v], x, parts[part][v]);
                    }
                }
            }
            for v in 0..V {
                let total = simd.add_f32s(
                    simd.add_f32s(parts[0][v], parts[1][v]),
                    simd.add_f32s(parts[2][v], parts[3][v]),
                );
                store::<S>(sum.add(v * S::F32_LANES), total);
            }
        }
    }
}

/// The sum of a vector's sixteen values.
#[inline(always)]
pub(in super::super) fn total<S: Simd>(simd: S, vector: &[f32]) -> f32 {
    let vector = &vector[..LANES];
    let mut sum = simd.splat_f32s(0.0);
    for part in vector.chunks_exact(S::F32_LANES) {
        // SAFETY: a register's worth of values.
        sum = simd.add_f32s(sum, unsafe { load::<S>(part.as_ptr()) });
    }
    simd.reduce_sum_f32s(sum)
}
