//! Sums, products and activations of one image, whose zeros stay around it.

use rayon::prelude::*;

use super::Map;
use crate::activation::{Rectify, Sigmoid, Silu};
use crate::elementwise::Accumulate;
use crate::{Kernel, simd};

/// `y = a + b`, in at most `tasks` parts for several threads.
pub fn add((a, b): (&[f32], &[f32]), y: &mut [f32], tasks: usize) {
    y.copy_from_slice(a);
    parts::<Accumulate>(b, y, tasks);
}

/// `y = max(y, 0)`; NaN stays NaN.
pub fn relu(y: &mut [f32], tasks: usize) {
    if tasks <= 1 {
        return simd::<Rectify, _>(y);
    }
    let part = y.len().div_ceil(tasks).max(1);
    y.par_chunks_mut(part).for_each(simd::<Rectify, _>);
}

/// `y = x * sigmoid(x)`.
pub fn silu(x: &[f32], y: &mut [f32], tasks: usize) {
    parts::<Silu>(x, y, tasks);
}

/// `y = sigmoid(x)`.
pub fn sigmoid((map, x): (Map, &[f32]), y: &mut [f32], tasks: usize) {
    parts::<Sigmoid>(x, y, tasks);
    if map.pad == 0 {
        return;
    }
    // The sigmoid of the zeros around is none.
    for c in 0..map.channels {
        let channel = &mut y[c * map.plane()..(c + 1) * map.plane()];
        map.clear_margins(channel);
        for row in channel[map.lead()..].chunks_exact_mut(map.pitch()) {
            row[map.w..].fill(0.0);
        }
        channel[map.lead() + map.h * map.pitch()..].fill(0.0);
    }
}

/// Runs `K` on all of `x` and `y`, or on `tasks` parts of them. Not always in parts, as the whole
/// batch's are: a thread that waits for one would begin another image meanwhile.
fn parts<K>(x: &[f32], y: &mut [f32], tasks: usize)
where
    K: for<'a> Kernel<(&'a mut [f32], &'a [f32]), Out = ()>,
{
    assert_eq!(x.len(), y.len(), "lengths");
    if tasks <= 1 {
        return simd::<K, _>((y, x));
    }
    let part = x.len().div_ceil(tasks).max(1);
    y.par_chunks_mut(part).zip(x.par_chunks(part)).for_each(simd::<K, _>);
}

/// `y[c] = x[c] * factors[c]`, where `factors` holds a pixel a channel.
pub fn scale((map, x): (Map, &[f32]), (one, factors): (Map, &[f32]), y: &mut [f32]) {
    assert!(x.len() == map.len() && y.len() == map.len(), "sizes");
    assert_eq!((one.channels, one.h, one.w), (map.channels, 1, 1), "a factor a channel");
    let channels = y.chunks_exact_mut(map.plane()).zip(x.chunks_exact(map.plane()));
    for (c, (y, x)) in channels.take(map.channels).enumerate() {
        let factor = factors[one.at(c, 0, 0)];
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x * factor);
    }
}
