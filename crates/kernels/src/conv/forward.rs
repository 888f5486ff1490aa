//! `y = conv(x, weight) + bias`.
#![allow(unsafe_code, reason = "tiles write strided, disjoint parts of one output")]

use rayon::prelude::*;

use super::product::{View, product};
use super::{Conv, Tile, patches};
use crate::shared::Shared;

/// `y[n, o] = bias[o] + sum over (i, ky, kx) of weight[o, i, ky, kx] * x[n, i, ..]`.
///
/// `bias` is empty where there is none.
pub fn forward(conv: &Conv, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    assert!(x.len() == conv.input_len() && weight.len() == conv.weight_len(), "sizes");
    assert!(!weight.is_empty() && y.len() == conv.output_len(), "output");
    assert!(bias.is_empty() || bias.len() == conv.outputs, "bias");
    let out = Shared::new(y);
    let work = conv.lanes.blocks() * conv.tiles();
    (0..work).into_par_iter().for_each_init(Vec::new, |scratch, i| {
        let (block, tile) = (i / conv.tiles(), conv.tile(i % conv.tiles()));
        one_tile(conv, (block, tile), (x, weight), scratch, &out);
        add_bias(conv, (block, tile), bias, &out);
    });
}

fn one_tile(
    conv: &Conv,
    (block, tile): (usize, Tile),
    (x, weight): (&[f32], &[f32]),
    scratch: &mut Vec<f32>,
    out: &Shared,
) {
    let chunk = conv.chunk_channels();
    for channel in (0..conv.inputs).step_by(chunk) {
        let rows = chunk.min(conv.inputs - channel) * conv.taps();
        scratch.resize(chunk * conv.taps() * tile.len, 0.0);
        let patch = &mut scratch[..rows * tile.len];
        patches::gather(conv, tile, &x[conv.input_start(block, channel)..], patch);
        let a = View { values: &weight[channel * conv.taps()..], rows: conv.row(), columns: 1 };
        let b = View { values: patch, rows: tile.len, columns: 1 };
        let stride = conv.oh() * conv.ow() * crate::LANES;
        let start = conv.output_start(block, tile.first);
        // SAFETY: the tile's rows of every output channel belong to this task alone, and the last
        // element written lies inside `out`: (outputs - 1) * stride + tile.len from `start`.
        unsafe {
            let y = out.pointer(start, (conv.outputs - 1) * stride + tile.len);
            product((conv.outputs, tile.len, rows), (y, stride), channel > 0, a, b);
        }
    }
}

fn add_bias(conv: &Conv, (block, tile): (usize, Tile), bias: &[f32], out: &Shared) {
    for (channel, b) in bias.iter().enumerate() {
        let start = conv.output_start(block, tile.first);
        let plane = channel * conv.oh() * conv.ow() * crate::LANES;
        // SAFETY: these rows of this channel belong to this task alone.
        let y = unsafe { out.part(start + plane, tile.len) };
        for v in y {
            *v += b;
        }
    }
}
