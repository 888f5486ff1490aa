//! Stochastic gradient descent with momentum, Nesterov, weight decay and a mask.

use rayon::prelude::*;

use crate::simd;

/// Values of one piece.
const PIECE: usize = 1 << 14;

/// Constants of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f32,
    /// Factor on the former momentum.
    pub momentum: f32,
    /// L2 penalty: added to the gradient as `weight_decay * weight`.
    pub weight_decay: f32,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
}

/// `velocity = momentum * velocity + (grad + weight_decay * weight)`, held at 0 where `mask` is 0.
///
/// With the velocity starting at 0 this is `torch.optim.SGD` with dampening 0.
pub fn velocity(sgd: Sgd, velocity: &mut [f32], grad: &[f32], weight: &[f32], mask: &[f32]) {
    assert!(grad.len() == velocity.len() && weight.len() == velocity.len(), "lengths");
    let pieces = velocity.par_chunks_mut(PIECE).zip(grad.par_chunks(PIECE));
    pieces.zip(weight.par_chunks(PIECE)).enumerate().for_each(|(i, ((v, g), w))| {
        simd(|| {
            for ((v, g), w) in v.iter_mut().zip(g).zip(w) {
                *v = sgd.momentum * *v + (g + sgd.weight_decay * w);
            }
        });
        hold(v, mask, i);
    });
}

/// `weight -= lr * direction`, held at 0 where `mask` is 0; the direction is the velocity or, with
/// Nesterov, `grad + weight_decay * weight + momentum * velocity`.
pub fn step(sgd: Sgd, weight: &mut [f32], velocity: &[f32], grad: &[f32], mask: &[f32]) {
    assert!(grad.len() == weight.len() && velocity.len() == weight.len(), "lengths");
    let pieces = weight.par_chunks_mut(PIECE).zip(velocity.par_chunks(PIECE));
    pieces.zip(grad.par_chunks(PIECE)).enumerate().for_each(|(i, ((w, v), g))| {
        simd(|| {
            for ((w, v), g) in w.iter_mut().zip(v).zip(g) {
                let ahead = g + sgd.weight_decay * *w + sgd.momentum * v;
                *w -= sgd.lr * if sgd.nesterov { ahead } else { *v };
            }
        });
        hold(w, mask, i);
    });
}

/// Sets the values of piece `index` to exactly +0 where the mask is 0; an empty mask keeps all.
fn hold(values: &mut [f32], mask: &[f32], index: usize) {
    if mask.is_empty() {
        return;
    }
    let mask = &mask[index * PIECE..][..values.len()];
    simd(|| values.iter_mut().zip(mask).for_each(|(v, m)| *v = if *m == 0.0 { 0.0 } else { *v }));
}
