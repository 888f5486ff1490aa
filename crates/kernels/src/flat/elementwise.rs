//! Sums, products and activations of one image, whose zeros stay around it.

use super::image::clear_around;
use super::{Image, Output};
use crate::activation::{Applied, Forward};
use crate::elementwise::{Multiply, Sum};
use crate::{Activation, isa};

/// `y = a + b`, images of one map.
pub fn add(a: Image, b: Image, y: Output) {
    check(&[a, b], &y);
    y.runs(|first, y| {
        let part = first * a.map.plane()..first * a.map.plane() + y.len();
        isa::dispatch(Sum { a: &a.values[part.clone()], b: &b.values[part], y });
    });
}

/// `y = a * b`, images of one map.
pub fn multiply(a: Image, b: Image, y: Output) {
    check(&[a, b], &y);
    y.runs(|first, y| {
        let part = first * a.map.plane()..first * a.map.plane() + y.len();
        isa::dispatch(Multiply { a: &a.values[part.clone()], b: &b.values[part], y });
    });
}

/// `y = activation(x)`, images of one map.
pub fn activation(activation: Activation, x: Image, y: Output) {
    check(&[x], &y);
    let map = y.map;
    y.runs(|first, y| {
        let x = &x.values[first * map.plane()..][..y.len()];
        isa::dispatch(Forward { activation, x, y });
        if !activation.keeps_zero() {
            y.chunks_exact_mut(map.plane()).for_each(|channel| clear_around(map, channel));
        }
    });
}

/// `y = activation(y)`.
pub fn apply(activation: Activation, y: Output) {
    let map = y.map;
    y.runs(|_, y| {
        isa::dispatch(Applied { activation, y });
        if !activation.keeps_zero() {
            y.chunks_exact_mut(map.plane()).for_each(|channel| clear_around(map, channel));
        }
    });
}

/// `y[c] = x[c] * factors[c]`, where `factors` is an image of one pixel.
pub fn scale(x: Image, factors: Image, y: Output) {
    let one = factors.map;
    assert_eq!((one.channels, one.h, one.w), (x.map.channels, 1, 1), "a factor a channel");
    factors.check();
    lines(x, y, |c| Line { factor: factors.values[one.at(c, 0, 0)], shift: 0.0 });
}

/// `y[c] = x[c] * factors[c]`.
pub fn scale_channels(factors: &[f32], x: Image, y: Output) {
    assert_eq!(factors.len(), x.map.channels, "a factor a channel");
    lines(x, y, |c| Line { factor: factors[c], shift: 0.0 });
}

/// `y[c] = x[c] + shifts[c]`.
pub fn shift_channels(shifts: &[f32], x: Image, y: Output) {
    assert_eq!(shifts.len(), x.map.channels, "a shift a channel");
    lines(x, y, |c| Line { factor: 1.0, shift: shifts[c] });
}

/// `x * factor + shift`.
struct Line {
    factor: f32,
    shift: f32,
}

fn lines(x: Image, y: Output, of: impl Fn(usize) -> Line + Sync) {
    check(&[x], &y);
    let map = y.map;
    y.each_channel(|c, y| {
        let Line { factor, shift } = of(c);
        y.iter_mut().zip(x.channel(c)).for_each(|(y, x)| *y = x * factor + shift);
        // Zero times infinity is not zero.
        if shift != 0.0 || !factor.is_finite() {
            clear_around(map, y);
        }
    });
}

/// Refuses images of another map than the output's.
fn check(inputs: &[Image], y: &Output) {
    for input in inputs {
        input.check();
        assert_eq!(input.map, y.map, "maps");
    }
}
