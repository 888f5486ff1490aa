//! The gradient of a convolution's input.
#![allow(unsafe_code, reason = "the product writes through a pointer into this task's scratch")]

use rayon::prelude::*;

use super::product::{View, product};
use super::{Conv, patches};
use crate::shared::Shared;
use crate::{LANES, simd};

/// `dx[n, i] = sum over (o, ky, kx) of weight[o, i, ky, kx] * dy[n, o, ..]`.
///
/// A task is one block and some input channels, so that no two tasks add to the same pixel.
pub fn input_grad(conv: &Conv, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    assert!(dy.len() == conv.output_len() && weight.len() == conv.weight_len(), "sizes");
    assert!(!weight.is_empty() && dx.len() == conv.input_len(), "input gradient");
    let chunk = conv.chunk_channels();
    let chunks = conv.inputs.div_ceil(chunk);
    let out = Shared::new(dx);
    (0..conv.lanes.blocks() * chunks).into_par_iter().for_each_init(Vec::new, |scratch, i| {
        let (block, channel) = (i / chunks, i % chunks * chunk);
        let channels = chunk.min(conv.inputs - channel);
        let len = channels * conv.h * conv.w * LANES;
        // SAFETY: each (block, channels) is one contiguous part, visited once.
        let dx = unsafe { out.part(conv.input_start(block, channel), len) };
        dx.fill(0.0);
        for tile in 0..conv.tiles() {
            one_tile(conv, (block, tile), (dy, &weight[channel * conv.taps()..]), scratch, dx);
        }
    });
}

fn one_tile(
    conv: &Conv,
    (block, tile): (usize, usize),
    (dy, weight): (&[f32], &[f32]),
    scratch: &mut Vec<f32>,
    dx: &mut [f32],
) {
    let tile = conv.tile(tile);
    let rows = dx.len() / (conv.h * conv.w * LANES) * conv.taps();
    scratch.resize(scratch.len().max(rows * tile.len), 0.0);
    let patch = &mut scratch[..rows * tile.len];
    let stride = conv.oh() * conv.ow() * LANES;
    let a = View { values: weight, rows: 1, columns: conv.row() };
    let start = conv.output_start(block, tile.first);
    let b = View { values: &dy[start..], rows: stride, columns: 1 };
    // SAFETY: `patch` holds rows * tile.len values and is this task's own.
    unsafe {
        let out = (patch.as_mut_ptr(), tile.len);
        product((rows, tile.len, conv.outputs), out, false, a, b);
    }
    simd(|| patches::scatter(conv, tile, patch, dx));
}
