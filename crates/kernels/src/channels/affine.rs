//! A factor or a shift a channel.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::norm::Plane;
use crate::{LANES, isa, lanes};

/// `y[channel] = x[channel] * factors[channel]`, 0 in lanes without an image. It takes a gradient
/// from `y` to `x` too.
pub fn scale(plane: Plane, factors: &[f32], x: &[f32], y: &mut [f32]) {
    assert_eq!(factors.len(), plane.channels, "a factor a channel");
    each(plane, x, y, |channel, x, y| {
        isa::dispatch(Affine { factor: factors[channel], shift: 0.0, x, y });
    });
}

/// `y[channel] = x[channel] + shifts[channel]`, 0 in lanes without an image. The gradient of `x` is
/// that of `y`.
pub fn shift(plane: Plane, shifts: &[f32], x: &[f32], y: &mut [f32]) {
    assert_eq!(shifts.len(), plane.channels, "a shift a channel");
    each(plane, x, y, |channel, x, y| {
        isa::dispatch(Affine { factor: 1.0, shift: shifts[channel], x, y });
    });
}

/// Runs `f` on each channel of each block, and clears lanes without an image.
fn each(plane: Plane, x: &[f32], y: &mut [f32], f: impl Fn(usize, &[f32], &mut [f32]) + Sync) {
    assert!(x.len() == plane.all() && y.len() == plane.all(), "sizes");
    let planes = y.par_chunks_mut(plane.len()).zip(x.par_chunks(plane.len()));
    planes.enumerate().for_each(|(i, (y, x))| {
        f(i % plane.channels, x, y);
        plane.lanes.clear_empty(i / plane.channels, y);
    });
}

struct Affine<'a> {
    factor: f32,
    shift: f32,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl NullaryFnOnce for Affine<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (factor, shift) = (self.factor, self.shift);
        self.y.iter_mut().zip(self.x).for_each(|(y, x)| *y = x * factor + shift);
    }
}

/// Writes the gradient of the factors of [`scale`]: `sum over images and pixels of x * dy`.
pub fn scale_backward(plane: Plane, x: &[f32], dy: &[f32], factors: &mut [f32]) {
    assert!(x.len() == plane.all() && dy.len() == plane.all(), "sizes");
    sums(factors, plane, |channel| isa::dispatch(ProductSum { plane, channel, x, dy }));
}

/// Writes the gradient of the shifts of [`shift`]: `sum over images and pixels of dy`.
pub fn shift_backward(plane: Plane, dy: &[f32], shifts: &mut [f32]) {
    assert_eq!(dy.len(), plane.all(), "sizes");
    sums(shifts, plane, |channel| isa::dispatch(Sum { plane, channel, dy }));
}

fn sums(out: &mut [f32], plane: Plane, f: impl Fn(usize) -> f64 + Sync) {
    assert_eq!(out.len(), plane.channels, "channels");
    out.par_iter_mut().enumerate().for_each(|(channel, sum)| *sum = f(channel) as f32);
}

/// The sum of one channel's products.
struct ProductSum<'a> {
    plane: Plane,
    channel: usize,
    x: &'a [f32],
    dy: &'a [f32],
}

impl NullaryFnOnce for ProductSum<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let (x, dy) = (lanes::vectors(self.x), lanes::vectors(self.dy));
        let at = |block: usize| self.plane.start(block, self.channel) / LANES;
        let [sum] = self.plane.sum(|block, p, sums: &mut [[f32; LANES]; 1]| {
            let (x, dy) = (&x[at(block) + p], &dy[at(block) + p]);
            (0..LANES).for_each(|l| sums[0][l] += x[l] * dy[l]);
        });
        sum
    }
}

/// The sum of one channel.
struct Sum<'a> {
    plane: Plane,
    channel: usize,
    dy: &'a [f32],
}

impl NullaryFnOnce for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let dy = lanes::vectors(self.dy);
        let at = |block: usize| self.plane.start(block, self.channel) / LANES;
        let [sum] = self.plane.sum(|block, p, sums: &mut [[f32; LANES]; 1]| {
            let dy = &dy[at(block) + p];
            (0..LANES).for_each(|l| sums[0][l] += dy[l]);
        });
        sum
    }
}
