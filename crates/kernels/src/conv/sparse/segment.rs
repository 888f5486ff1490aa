//! Windows that are computed together, and the two walks along a list.
#![allow(unsafe_code, reason = "operands are read through pointers at computed offsets")]

use pulp::Simd;

use super::super::micro::{Finish, load, store};
use super::super::stencil::{Item, Stencil, Tiling};
use super::list::Entry;
use crate::{LANES, isa};

/// A few windows, `rows` x `columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Segment {
    pub rows: usize,
    pub columns: usize,
    /// Where the first stands in the room.
    pub at: usize,
    /// Where the first is written, for output 0.
    pub to: usize,
}

/// Windows whose sums fit the registers.
fn most() -> usize {
    if isa::width() == LANES { 16 } else { 8 }
}

/// The windows of `item` in segments.
pub(in super::super) fn segments(s: &Stencil, tiling: &Tiling, item: &Item) -> Vec<Segment> {
    let most = most();
    let mut all = Vec::new();
    for (b, block) in item.blocks.clone().enumerate() {
        let mut row = 0;
        while row < item.rows.len() {
            let rows = match (most / s.columns, item.rows.len() - row) {
                (4.., 4..) if s.columns * 4 == most => 4,
                (2.., 2..) if s.columns * 2 == most => 2,
                _ => 1,
            };
            let mut column = 0;
            while column < s.columns {
                let mut columns = most;
                while columns > s.columns - column {
                    columns /= 2;
                }
                let at = tiling.window(b, row, column);
                let to = s.target(block, item.rows.start + row, column);
                all.push(Segment { rows, columns, at, to });
                column += columns;
            }
            row += rows;
        }
    }
    all
}

/// Distances between the windows of a segment, in values.
#[derive(Clone, Copy)]
pub(in super::super) struct Steps {
    /// Between rows of the room; columns are a vector apart.
    pub pitch: usize,
    /// Between rows and columns of the output.
    pub down: usize,
    pub across: usize,
}

/// Calls the generic function `$f` for the shape of a segment.
macro_rules! by_shape {
    ($segment:expr, $f:ident::<$S:ident>, $arguments:tt) => {
        match ($segment.rows, $segment.columns) {
            (1, 16) => $f::<$S, 1, 16> $arguments,
            (2, 8) => $f::<$S, 2, 8> $arguments,
            (4, 4) => $f::<$S, 4, 4> $arguments,
            (1, 8) => $f::<$S, 1, 8> $arguments,
            (2, 4) => $f::<$S, 2, 4> $arguments,
            (4, 2) => $f::<$S, 4, 2> $arguments,
            (1, 4) => $f::<$S, 1, 4> $arguments,
            (1, 2) => $f::<$S, 1, 2> $arguments,
            (1, 1) => $f::<$S, 1, 1> $arguments,
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
    for lane in (0..LANES).step_by(S::F32_LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let at = (x.add(lane), y.add(lane));
            by_shape!(segment, sums::<S>, (simd, at, sum, steps));
        }
    }
}

#[inline(always)]
unsafe fn sums<S: Simd, const R: usize, const C: usize>(
    simd: S,
    (x, y): (*const f32, *mut f32),
    sum: Sum,
    steps: Steps,
) {
    // SAFETY: the promise of `walk`.
    unsafe {
        let mut sums = [[simd.splat_f32s(sum.start.unwrap_or(0.0)); C]; R];
        if sum.start.is_none() {
            for r in 0..R {
                for c in 0..C {
                    sums[r][c] = load::<S>(y.add(r * steps.down + c * steps.across));
                }
            }
        }
        for entry in sum.entries {
            let (value, x) = (simd.splat_f32s(entry.value), x.add(entry.at as usize));
            for r in 0..R {
                for c in 0..C {
                    let x = load::<S>(x.add(r * steps.pitch + c * LANES));
                    sums[r][c] = simd.mul_add_f32s(value, x, sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                store::<S>(y.add(r * steps.down + c * steps.across), sums[r][c]);
            }
        }
        if sum.finish.is_something() {
            for r in 0..R {
                for c in 0..C {
                    sum.finish.apply_at(simd, y.add(r * steps.down + c * steps.across));
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
    for lane in (0..LANES).step_by(S::F32_LANES) {
        // SAFETY: the caller's promise.
        unsafe {
            let at = (x.add(lane), y.add(lane));
            let to = (entries, sums.add(lane), first);
            by_shape!(segment, products::<S>, (simd, at, to, steps));
        }
    }
}

#[inline(always)]
unsafe fn products<S: Simd, const R: usize, const C: usize>(
    simd: S,
    (x, y): (*const f32, *const f32),
    (entries, sums, first): (&[Entry], *mut f32, bool),
    steps: Steps,
) {
    // SAFETY: the promise of `dots`.
    unsafe {
        let mut gradient = [[simd.splat_f32s(0.0); C]; R];
        for r in 0..R {
            for c in 0..C {
                gradient[r][c] = load::<S>(y.add(r * steps.down + c * steps.across));
            }
        }
        for (i, entry) in entries.iter().enumerate() {
            let (x, sum) = (x.add(entry.at as usize), sums.add(i * LANES));
            // Four sums, so that no multiply-add waits for the one before it.
            let mut parts = [simd.splat_f32s(0.0); 4];
            if !first {
                parts[0] = load::<S>(sum);
            }
            for r in 0..R {
                for c in 0..C {
                    let x = load::<S>(x.add(r * steps.pitch + c * LANES));
                    let part = (r * C + c) % 4;
                    parts[part] = simd.mul_add_f32s(gradient[r][c], x, parts[part]);
                }
            }
            let total =
                simd.add_f32s(simd.add_f32s(parts[0], parts[1]), simd.add_f32s(parts[2], parts[3]));
            store::<S>(sum, total);
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
