//! The gradient of a convolution's weight, and of its bias.
#![allow(unsafe_code, reason = "tasks write strided, disjoint columns of one matrix")]

use rayon::prelude::*;

use super::product::{View, product};
use super::{Conv, patches};
use crate::shared::Shared;
use crate::{LANES, lanes};

/// Tasks that the blocks are split into where the input channels alone give too few.
const PARTS: usize = 8;
/// Input channels from which on the channels alone give tasks enough.
const MANY_CHANNELS: usize = 64;

/// `dw[o, i, ky, kx] = sum over images and pixels of dy[n, o, y, x] * x[n, i, ..]`.
///
/// Lanes without an image must be zero in `dy` and finite in `x`. Partial sums of the parts are
/// added in order.
pub fn weight_grad(conv: &Conv, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    assert!(dy.len() == conv.output_len() && x.len() == conv.input_len(), "sizes");
    assert!(!dw.is_empty() && dw.len() == conv.weight_len(), "weight gradient");
    let blocks = conv.lanes.blocks();
    let parts = if conv.inputs >= MANY_CHANNELS { 1 } else { blocks.min(PARTS) };
    if parts == 1 {
        part(conv, 0..blocks, (dy, x), dw);
        return;
    }
    let mut partial = vec![0.0; parts * dw.len()];
    partial.par_chunks_mut(dw.len()).enumerate().for_each(|(i, dw)| {
        part(conv, i * blocks / parts..(i + 1) * blocks / parts, (dy, x), dw);
    });
    dw.copy_from_slice(&partial[..dw.len()]);
    for more in partial.chunks(dw.len()).skip(1) {
        dw.iter_mut().zip(more).for_each(|(sum, v)| *sum += v);
    }
}

/// The sum over `blocks`; a task is some input channels.
fn part(conv: &Conv, blocks: std::ops::Range<usize>, (dy, x): (&[f32], &[f32]), dw: &mut [f32]) {
    let chunk = conv.chunk_channels().min(conv.inputs.div_ceil(PARTS));
    let out = Shared::new(dw);
    let chunks = conv.inputs.div_ceil(chunk);
    (0..chunks).into_par_iter().for_each_init(Vec::new, |scratch, i| {
        let channel = i * chunk;
        let rows = chunk.min(conv.inputs - channel) * conv.taps();
        for (visit, at) in
            blocks.clone().flat_map(|b| (0..conv.tiles()).map(move |t| (b, t))).enumerate()
        {
            let (block, tile) = (at.0, conv.tile(at.1));
            scratch.resize(scratch.len().max(rows * tile.len), 0.0);
            let patch = &mut scratch[..rows * tile.len];
            patches::gather(conv, tile, &x[conv.input_start(block, channel)..], patch);
            let stride = conv.oh() * conv.ow() * LANES;
            let start = conv.output_start(block, tile.first);
            let a = View { values: &dy[start..], rows: stride, columns: 1 };
            let b = View { values: patch, rows: 1, columns: tile.len };
            let (first, len) = (channel * conv.taps(), (conv.outputs - 1) * conv.row() + rows);
            // SAFETY: these columns of every row belong to this task alone.
            unsafe {
                let dw = out.pointer(first, len);
                product((conv.outputs, rows, tile.len), (dw, conv.row()), visit > 0, a, b);
            }
        }
    });
}

/// `db[o] = sum over images and pixels of dy[n, o, y, x]`.
///
/// Lanes without an image must be zero in `dy`.
pub fn bias_grad(conv: &Conv, dy: &[f32], db: &mut [f32]) {
    assert!(dy.len() == conv.output_len() && db.len() == conv.outputs, "sizes");
    let plane = conv.oh() * conv.ow() * LANES;
    db.par_iter_mut().enumerate().for_each(|(o, sum)| {
        let planes =
            (0..conv.lanes.blocks()).map(|b| &dy[(b * conv.outputs + o) * plane..][..plane]);
        let values = planes.flat_map(|p| lanes::vectors(p).iter().flatten());
        *sum = values.map(|v| f64::from(*v)).sum::<f64>() as f32;
    });
}
