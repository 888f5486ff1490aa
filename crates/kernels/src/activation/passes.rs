//! Activations of slices, in pieces of fixed length.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::{Activation, specialised};
use crate::isa;

/// Values of one piece: 64 KiB, within the first-level caches' reach.
const PIECE: usize = 1 << 14;

/// `y = activation(x)`.
pub fn forward(activation: Activation, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "lengths");
    let pieces = y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE));
    pieces.for_each(|(y, x)| isa::dispatch(Forward { activation, x, y }));
}

/// `y = activation(y)`.
pub fn apply(activation: Activation, y: &mut [f32]) {
    y.par_chunks_mut(PIECE).for_each(|y| isa::dispatch(Applied { activation, y }));
}

/// Multiplies `grad` by the derivative, where `saved` is the activation's output if it
/// [suffices](Activation::saves_output), else its input.
///
/// At kinks the derivatives are those of `PyTorch`: 0 where rectifiers, with or without an upper
/// bound, and hard-sigmoid have one, the slope of a leaky one, 0 and 1 at the ends of hard-swish.
pub fn backward(activation: Activation, saved: &[f32], grad: &mut [f32]) {
    assert_eq!(saved.len(), grad.len(), "lengths");
    let pieces = grad.par_chunks_mut(PIECE).zip(saved.par_chunks(PIECE));
    pieces.for_each(|(grad, saved)| isa::dispatch(Backward { activation, saved, grad }));
}

/// [`forward`] of one piece.
pub(crate) struct Forward<'a> {
    pub activation: Activation,
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

impl NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let values = self.y.iter_mut().zip(self.x);
        specialised!(self.activation, a => for (y, x) in values {
            *y = a.of(*x);
        });
    }
}

/// [`apply`] of one piece.
pub(crate) struct Applied<'a> {
    pub activation: Activation,
    pub y: &'a mut [f32],
}

impl NullaryFnOnce for Applied<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        specialised!(self.activation, a => for y in self.y {
            *y = a.of(*y);
        });
    }
}

/// [`backward`] of one piece.
struct Backward<'a> {
    activation: Activation,
    saved: &'a [f32],
    grad: &'a mut [f32],
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let values = self.grad.iter_mut().zip(self.saved);
        specialised!(self.activation, a => for (grad, saved) in values {
            *grad = a.gradient(*saved, *grad);
        });
    }
}
