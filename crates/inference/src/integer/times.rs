//! Which of the two integer kernels of a convolution is the faster one: measured, and kept by `tuning`.
//!
//! The sparse kernel's time is taken to be linear in the share of quads of weights that are kept. Both give the
//! same bits, so that nothing but time depends on it.

use kernels::conv::Conv;
use kernels::integer::{
    self, Ending, Input, Instructions, Layout, Maps, Method, Output, Quads, Rounding, Weights,
    quads,
};
use kernels::{Lanes, Size};
use tuning::seconds;

use super::How;
use crate::awake;
use crate::times::{MOST, TIMES, Unknown, VERSION, batch, on_line};

/// Shares of quads at which the sparse kernel is timed.
const DENSITIES: [f64; 2] = [0.05, 0.3];
/// The share below which skipping quads is usually faster than multiplying all of them.
fn usual(instructions: Instructions) -> f64 {
    match instructions {
        // Matrices of all quads are multiplied four times as fast.
        Instructions::Amx => 0.1,
        _ => 0.45,
    }
}

/// How `conv`, of which a share `density` of the quads of weights is not zero, is run fastest.
pub(super) fn method(conv: &Conv, density: f64, how: How) -> Method {
    let guess = if density < usual(how.instructions) { Method::Sparse } else { Method::Dense };
    if density >= MOST {
        return Method::Dense;
    }
    let time = |density: Option<f64>| {
        let key = key(conv, density, how);
        match how.unknown {
            Unknown::Measure => Some(TIMES.get(&key, || measure(conv, density, how))),
            Unknown::Guess => TIMES.peek(&key),
        }
    };
    let (Some(dense), [Some(low), Some(high)]) = (time(None), DENSITIES.map(|d| time(Some(d))))
    else {
        return guess;
    };
    let faster = on_line(DENSITIES, [low, high], density) < dense;
    if faster { Method::Sparse } else { Method::Dense }
}

fn key(conv: &Conv, density: Option<f64>, how: How) -> String {
    let share = density.map_or_else(|| "all".into(), |d| format!("{:.0} %", d * 100.0));
    let Conv { inputs, h, w, outputs, window, .. } = conv;
    format!(
        "kernels {VERSION}, int8 {}, {} threads, {}: conv {window}, {inputs}x{h}x{w} -> {outputs}, {share} \
         kept",
        how.instructions.name(),
        rayon::current_num_threads(),
        if how.tiles { "one" } else { "blocks" },
    )
}

/// Seconds an image, with a share of the quads kept; dense with all of them.
fn measure(conv: &Conv, density: Option<f64>, how: How) -> f64 {
    let images = batch(conv.inputs.max(conv.outputs) * conv.h * conv.w);
    let layout = if how.tiles { Layout::Tiles } else { Layout::Images(Lanes::of(images)) };
    let method = if density.is_some() { Method::Sparse } else { Method::Dense };
    let weights = Quads::new(conv, &weights(conv, density.unwrap_or(1.0)), 1);
    let arranged =
        integer::Arrangement { method, tiles: how.tiles, instructions: how.instructions };
    let weights = Weights::new(conv, &weights, arranged);
    let maps = |channels, size| Maps { layout, channels, size };
    let x = vec![0; maps(conv.inputs, Size { h: conv.h, w: conv.w }).words()];
    let mut y = vec![0; maps(conv.outputs, conv.output()).words()];
    let rounding = Rounding { scale: 1.0, zero: 0 };
    let ones = vec![1.0; conv.outputs];
    let end = Ending { factors: &ones, bias: &ones, add: None, activation: None };
    let run = || {
        weights.forward(
            Input { layout, words: &x, rounding },
            &end,
            Output::Words(&mut y, rounding),
        );
    };
    let seconds =
        rayon::scope(|_| if how.tiles { awake::with(|| seconds(run)) } else { seconds(run) });
    seconds / layout.images() as f64
}

/// Weights of which a share of the quads is kept, distributed like trained ones: most are small.
fn weights(conv: &Conv, density: f64) -> Vec<i8> {
    let mut random = seed::stream(0, "measure/integer", 0);
    let (taps, mut all) = (conv.window.taps(), vec![0; conv.weight_len()]);
    for output in all.chunks_exact_mut(conv.inputs * taps) {
        for i in 0..quads(conv.inputs) * taps {
            if random.unit() < density {
                let (quad, tap) = (i / taps, i % taps);
                for input in quad * 4..conv.inputs.min(quad * 4 + 4) {
                    let sum: f64 = (0..4).map(|_| random.unit() - 0.5).sum();
                    output[input * taps + tap] = (sum * 60.0) as i8;
                }
            }
        }
    }
    all
}
