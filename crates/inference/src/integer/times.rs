//! Which of the integer kernels of a convolution is the fastest: measured, and kept by `tuning`.
//!
//! The sparse kernel's time is taken to be linear in the share of quads of weights that are kept. All give the
//! same bits, so that nothing but time depends on it.

use kernels::conv::Conv;
use kernels::integer::{
    Arrangement, Ending, Input, Instructions, Layout, Maps, Method, Output, Quads, Rounding,
    Weights, quads,
};
use kernels::{Lanes, Size, isa};
use tuning::seconds_when_warm;

use super::How;
use crate::awake;
use crate::times::{MOST, TIMES, Turns, Unknown, VERSION, batch, on_line};

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
pub(super) fn arrangement(conv: &Conv, density: f64, how: How) -> Arrangement {
    let of = |method, instructions| Arrangement { method, tiles: how.tiles, instructions };
    let (first, vectors) = (of(Method::Dense, how.instructions), how.instructions.of_vectors());
    // Matrices take their time where there are few channels or windows.
    let second = (vectors != how.instructions).then(|| of(Method::Dense, vectors));
    let sparse = of(Method::Sparse, vectors);
    let can_skip = how.skip && density < MOST;
    if isa::plain() == Ok(true) || second.is_none() && !can_skip {
        return first;
    }
    let time = |arrangement: Arrangement, density: Option<f64>| {
        let key = key(conv, density, arrangement);
        match how.unknown {
            Unknown::Measure => Some(TIMES.get(&key, || measure(conv, density, arrangement))),
            Unknown::Guess => TIMES.peek(&key),
        }
    };
    let dense = [Some(first), second].into_iter().flatten();
    let mut times: Vec<_> = dense.map(|own| (own, time(own, None))).collect();
    if can_skip {
        let seconds = DENSITIES.map(|density| time(sparse, Some(density)));
        let line = |seconds| on_line(DENSITIES, seconds, density);
        times.push((sparse, seconds[0].zip(seconds[1]).map(|(low, high)| line([low, high]))));
    }
    let known: Option<Vec<_>> = times.into_iter().map(|(own, time)| Some((own, time?))).collect();
    let Some(known) = known else {
        return if can_skip && density < usual(how.instructions) { sparse } else { first };
    };
    known.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("at least one").0
}

fn key(conv: &Conv, density: Option<f64>, arrangement: Arrangement) -> String {
    let share = density.map_or_else(|| "all".into(), |d| format!("{:.0} %", d * 100.0));
    let Conv { inputs, h, w, outputs, window, .. } = conv;
    format!(
        "kernels {VERSION}, int8 {}, {} threads, {}: conv {window}, {inputs}x{h}x{w} -> {outputs}, {share} \
         kept",
        arrangement.instructions.name(),
        rayon::current_num_threads(),
        if arrangement.tiles { "one" } else { "blocks" },
    )
}

/// Seconds that a processor's matrix unit takes, at most, until it runs at full speed.
const WARM: f64 = 0.03;

/// Seconds an image, with a share of the quads kept; all where there is none.
fn measure(conv: &Conv, density: Option<f64>, arrangement: Arrangement) -> f64 {
    let images = batch(conv.inputs.max(conv.outputs) * conv.h * conv.w);
    let one = arrangement.tiles;
    let layout = if one { Layout::Tiles } else { Layout::Images(Lanes::of(images)) };
    let quads = Quads::new(conv, &weights(conv, density.unwrap_or(1.0)), 1);
    // A batch uses its weights many times.
    let bytes =
        if one { (quads.density() * conv.weight_len() as f64) as usize } else { usize::MAX };
    let mut weights = Turns::new(bytes, || Weights::new(conv, &quads, arrangement));
    let maps = |channels, size| Maps { layout, channels, size };
    let x = vec![0; maps(conv.inputs, Size { h: conv.h, w: conv.w }).words()];
    let mut y = vec![0; maps(conv.outputs, conv.output()).words()];
    let rounding = Rounding { scale: 1.0, zero: 0 };
    let ones = vec![1.0; conv.outputs];
    let end = Ending { factors: &ones, bias: &ones, add: None, activation: None };
    let warm = if weights.next().instructions() == Instructions::Amx { WARM } else { 0.0 };
    let run = || {
        let input = Input { layout, words: &x, rounding };
        weights.next().forward(input, &end, Output::Words(&mut y, rounding));
    };
    let timed = || seconds_when_warm(warm, run);
    let seconds = rayon::scope(|_| if one { awake::with(timed) } else { timed() });
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
