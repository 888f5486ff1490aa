//! Sums, products and activations of one image, whose zeros stay around it.

use super::Map;
use crate::{activation, elementwise};

/// `y = a + b`.
pub fn add((a, b): (&[f32], &[f32]), y: &mut [f32]) {
    y.copy_from_slice(a);
    elementwise::add(y, b);
}

/// `y = max(x, 0)`.
pub fn relu(x: &[f32], y: &mut [f32]) {
    y.copy_from_slice(x);
    activation::relu(y);
}

/// `y = x * sigmoid(x)`.
pub fn silu(x: &[f32], y: &mut [f32]) {
    activation::silu(x, y);
}

/// `y = sigmoid(x)`.
pub fn sigmoid(map: Map, x: &[f32], y: &mut [f32]) {
    activation::sigmoid(x, y);
    // The sigmoid of the zeros around is none.
    let keep = map.keep();
    for c in 0..map.channels {
        let channel = &mut y[c * map.plane()..(c + 1) * map.plane()];
        map.clear_margins(channel);
        for (y, keep) in channel[map.lead()..].iter_mut().zip(&keep) {
            *y = f32::from_bits(y.to_bits() & keep.to_bits());
        }
    }
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
