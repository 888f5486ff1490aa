//! Sums, products and activations of one image, whose zeros stay around it.

use rayon::prelude::*;

use super::Map;
use crate::activation::logistic;
use crate::{Kernel, simd};

/// `y = a + b`, in at most `tasks` parts for several threads.
pub fn add((a, b): (&[f32], &[f32]), y: &mut [f32], tasks: usize) {
    assert!(a.len() == y.len() && b.len() == y.len(), "summands");
    y.copy_from_slice(a);
    parts::<Accumulate>(b, y, tasks);
}

struct Accumulate;

impl Kernel<(&[f32], &mut [f32])> for Accumulate {
    type Out = ();

    #[inline(always)]
    fn run((x, y): (&[f32], &mut [f32])) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
    }
}

/// `y = max(y, 0)`; NaN stays NaN.
pub fn relu(y: &mut [f32], tasks: usize) {
    let part = y.len().div_ceil(tasks.max(1)).max(1);
    if tasks > 1 {
        return y.par_chunks_mut(part).for_each(simd::<Rectify, _>);
    }
    simd::<Rectify, _>(y);
}

struct Rectify;

impl Kernel<&mut [f32]> for Rectify {
    type Out = ();

    #[inline(always)]
    fn run(y: &mut [f32]) {
        for y in y {
            *y = if *y < 0.0 { 0.0 } else { *y };
        }
    }
}

/// `y = x * sigmoid(x)`.
pub fn silu(x: &[f32], y: &mut [f32], tasks: usize) {
    parts::<Silu>(x, y, tasks);
}

struct Silu;

impl Kernel<(&[f32], &mut [f32])> for Silu {
    type Out = ();

    #[inline(always)]
    fn run((x, y): (&[f32], &mut [f32])) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = x * logistic(*x));
    }
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

struct Sigmoid;

impl Kernel<(&[f32], &mut [f32])> for Sigmoid {
    type Out = ();

    #[inline(always)]
    fn run((x, y): (&[f32], &mut [f32])) {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = logistic(*x));
    }
}

/// Runs `K` on all of `x` and `y`, or on `tasks` parts of them.
fn parts<K>(x: &[f32], y: &mut [f32], tasks: usize)
where
    K: for<'a> Kernel<(&'a [f32], &'a mut [f32]), Out = ()>,
{
    assert_eq!(x.len(), y.len(), "lengths");
    let part = x.len().div_ceil(tasks.max(1)).max(1);
    if tasks > 1 {
        return x.par_chunks(part).zip(y.par_chunks_mut(part)).for_each(simd::<K, _>);
    }
    simd::<K, _>((x, y));
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
