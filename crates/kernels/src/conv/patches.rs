//! The patch matrix of a tile, and its transpose: adding patches back to where they came from.

use std::ops::Range;

use super::{Conv, Tile};
use crate::LANES;

/// One row of the patch matrix over one output row: which outputs have a pixel under the tap.
struct Reach {
    /// Output columns whose tap lies inside the image.
    outputs: Range<usize>,
    /// Input column of the first of them.
    first: usize,
}

fn reach(conv: &Conv, kx: usize) -> Reach {
    let low = conv.padding.saturating_sub(kx).div_ceil(conv.stride);
    let high = (conv.w + conv.padding).saturating_sub(kx).div_ceil(conv.stride).min(conv.ow());
    let low = low.min(high);
    Reach { outputs: low..high, first: (low * conv.stride + kx).saturating_sub(conv.padding) }
}

/// The input row under tap row `ky` of output row `oy`, if it lies inside the image.
fn input_row(conv: &Conv, oy: usize, ky: usize) -> Option<usize> {
    (oy * conv.stride + ky).checked_sub(conv.padding).filter(|y| *y < conv.h)
}

/// Writes the patches of `tile` from the channels `x` as rows (channel, ky, kx) of `tile.len`.
pub(super) fn gather(conv: &Conv, tile: Tile, x: &[f32], patches: &mut [f32]) {
    let width = conv.ow() * LANES;
    let rows = patches.chunks_exact_mut(width);
    for (i, row) in rows.enumerate() {
        let (tap, y) = (i / tile.rows, tile.first + i % tile.rows);
        let (channel, ky, kx) = split(conv, tap);
        let reach = reach(conv, kx);
        let Some(iy) = input_row(conv, y, ky) else {
            row.fill(0.0);
            continue;
        };
        let from = &x[(channel * conv.h + iy) * conv.w * LANES..][..conv.w * LANES];
        row[..reach.outputs.start * LANES].fill(0.0);
        row[reach.outputs.end * LANES..].fill(0.0);
        let to = &mut row[reach.outputs.start * LANES..reach.outputs.end * LANES];
        copy(conv.stride, &from[(reach.first * LANES).min(from.len())..], to);
    }
}

fn copy(stride: usize, from: &[f32], to: &mut [f32]) {
    if stride == 1 {
        to.copy_from_slice(&from[..to.len()]);
        return;
    }
    for (i, vector) in to.chunks_exact_mut(LANES).enumerate() {
        vector.copy_from_slice(&from[i * stride * LANES..][..LANES]);
    }
}

/// Adds the patches of `tile` to the channels `x` that they would be gathered from.
pub(super) fn scatter(conv: &Conv, tile: Tile, patches: &[f32], x: &mut [f32]) {
    let width = conv.ow() * LANES;
    for (i, row) in patches.chunks_exact(width).enumerate() {
        let (tap, y) = (i / tile.rows, tile.first + i % tile.rows);
        let (channel, ky, kx) = split(conv, tap);
        let reach = reach(conv, kx);
        let Some(iy) = input_row(conv, y, ky) else { continue };
        let to = &mut x[(channel * conv.h + iy) * conv.w * LANES..][..conv.w * LANES];
        let start = (reach.first * LANES).min(to.len());
        let from = &row[reach.outputs.start * LANES..reach.outputs.end * LANES];
        accumulate(conv.stride, from, &mut to[start..]);
    }
}

#[inline(always)]
fn accumulate(stride: usize, from: &[f32], to: &mut [f32]) {
    if stride == 1 {
        to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
        return;
    }
    for (i, vector) in from.chunks_exact(LANES).enumerate() {
        let to = &mut to[i * stride * LANES..][..LANES];
        to.iter_mut().zip(vector).for_each(|(t, f)| *t += f);
    }
}

/// (channel, ky, kx) of a row of the patch matrix.
fn split(conv: &Conv, tap: usize) -> (usize, usize, usize) {
    let (channel, rest) = (tap / conv.taps(), tap % conv.taps());
    (channel, rest / conv.kernel, rest % conv.kernel)
}
