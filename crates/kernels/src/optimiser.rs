//! One step of an optimiser, in one pass over the weights: stochastic gradient descent with
//! momentum, Nesterov and weight decay, Adam, or `AdamW`, each under a mask; and the moving average
//! of what came out.

use rayon::prelude::*;

use crate::{Kernel, simd};

/// Values of one piece.
const PIECE: usize = 1 << 14;

/// Constants of one step of gradient descent.
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

/// `velocity = momentum * velocity + (grad + weight_decay * weight)`, then
/// `weight -= lr * direction`; both held at 0 where `mask` is 0. The direction is the velocity or,
/// with Nesterov, `grad + weight_decay * weight + momentum * velocity`.
///
/// With the velocity starting at 0 this is `torch.optim.SGD` with dampening 0. An empty mask keeps
/// every weight.
pub fn sgd(sgd: Sgd, weight: &mut [f32], velocity: &mut [f32], grad: &[f32], mask: &[f32]) {
    assert!(grad.len() == weight.len() && velocity.len() == weight.len(), "lengths");
    assert!(mask.is_empty() || mask.len() == weight.len(), "mask");
    let pieces = weight.par_chunks_mut(PIECE).zip(velocity.par_chunks_mut(PIECE));
    pieces.zip(grad.par_chunks(PIECE)).enumerate().for_each(|(i, ((w, v), g))| {
        simd::<SgdPiece, _>((sgd, w, v, g, piece(mask, i)));
    });
}

/// One piece of the weights.
struct SgdPiece;

impl Kernel<(Sgd, &mut [f32], &mut [f32], &[f32], &[f32])> for SgdPiece {
    type Out = ();

    #[inline(always)]
    fn run((sgd, w, v, g, mask): (Sgd, &mut [f32], &mut [f32], &[f32], &[f32])) {
        for ((w, v), g) in w.iter_mut().zip(v.iter_mut()).zip(g) {
            let g = g + sgd.weight_decay * *w;
            *v = sgd.momentum * *v + g;
            *w -= sgd.lr * if sgd.nesterov { g + sgd.momentum * *v } else { *v };
        }
        hold(w, mask);
        hold(v, mask);
    }
}

/// Constants of one step of Adam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the gradient's running mean and of its square's.
    pub betas: (f32, f32),
    /// Added to the root of the mean square.
    pub eps: f32,
    /// L2 penalty: added to the gradient as `weight_decay * weight`, unless it is decoupled.
    pub weight_decay: f32,
    /// `AdamW`: `weight *= 1 - lr * weight_decay` before the step, and nothing in the gradient.
    pub decoupled: bool,
    /// Steps taken, this one included.
    pub step: u32,
}

/// One step of Adam (Kingma and Ba 2014) as `torch.optim.Adam` takes it, or of `torch.optim.AdamW`
/// (Loshchilov and Hutter 2017): the running means `mean` and `square` in `moments` are corrected
/// for their start at 0. Weight and moments are held at 0 where `mask` is 0; an empty mask keeps
/// every weight.
pub fn adam(
    adam: Adam,
    weight: &mut [f32],
    (mean, square): (&mut [f32], &mut [f32]),
    grad: &[f32],
    mask: &[f32],
) {
    let len = weight.len();
    assert!(grad.len() == len && mean.len() == len && square.len() == len, "lengths");
    assert!(mask.is_empty() || mask.len() == len, "mask");
    let corrected = Corrected::new(adam);
    let moments = mean.par_chunks_mut(PIECE).zip(square.par_chunks_mut(PIECE));
    let pieces = weight.par_chunks_mut(PIECE).zip(moments).zip(grad.par_chunks(PIECE));
    pieces.enumerate().for_each(|(i, ((w, (m, s)), g))| {
        simd::<AdamPiece, _>((corrected, w, (m, s), g, piece(mask, i)));
    });
}

/// A step's constants, corrected for the moments' start at 0.
#[derive(Debug, Clone, Copy)]
pub struct Corrected {
    adam: Adam,
    /// Factor on the weight in its gradient.
    pub penalty: f32,
    /// Factor on the weight before the step.
    pub shrink: f32,
    /// Learning rate over the first moment's correction.
    pub size: f32,
    /// Root of the second moment's correction.
    pub root: f32,
}

impl Corrected {
    /// Those of step `adam.step`.
    pub fn new(adam: Adam) -> Self {
        let (b1, b2) = adam.betas;
        let started = |b: f32| 1.0 - f64::from(b).powi(adam.step as i32);
        let shrink = 1.0 - f64::from(adam.lr) * f64::from(adam.weight_decay);
        Self {
            adam,
            penalty: if adam.decoupled { 0.0 } else { adam.weight_decay },
            shrink: if adam.decoupled { shrink as f32 } else { 1.0 },
            size: (f64::from(adam.lr) / started(b1)) as f32,
            root: started(b2).sqrt() as f32,
        }
    }
}

/// Two running means.
type Moments<'a> = (&'a mut [f32], &'a mut [f32]);

/// One piece of the weights.
struct AdamPiece;

impl Kernel<(Corrected, &mut [f32], Moments<'_>, &[f32], &[f32])> for AdamPiece {
    type Out = ();

    #[inline(always)]
    fn run((c, w, (m, s), g, mask): (Corrected, &mut [f32], Moments, &[f32], &[f32])) {
        let (b1, b2) = c.adam.betas;
        for (((w, m), s), g) in w.iter_mut().zip(m.iter_mut()).zip(s.iter_mut()).zip(g) {
            *w *= c.shrink;
            let g = g + c.penalty * *w;
            *m = b1 * *m + (1.0 - b1) * g;
            *s = b2 * *s + (1.0 - b2) * g * g;
            *w -= c.size * *m / (s.sqrt() / c.root + c.adam.eps);
        }
        hold(w, mask);
        hold(m, mask);
        hold(s, mask);
    }
}

/// `average = decay * average + (1 - decay) * value`; where both are +0, the average stays +0.
pub fn average(average: &mut [f32], value: &[f32], decay: f32) {
    assert_eq!(average.len(), value.len(), "average and values");
    let pieces = average.par_chunks_mut(PIECE).zip(value.par_chunks(PIECE));
    pieces.for_each(|(a, v)| simd::<AveragePiece, _>((a, v, decay)));
}

/// One piece of the values.
struct AveragePiece;

impl Kernel<(&mut [f32], &[f32], f32)> for AveragePiece {
    type Out = ();

    #[inline(always)]
    fn run((average, value, decay): (&mut [f32], &[f32], f32)) {
        // As a correction, in which a value that does not move has an average that does not.
        average.iter_mut().zip(value).for_each(|(a, v)| *a += (1.0 - decay) * (v - *a));
    }
}

/// Piece `index` of a mask; an empty mask has empty pieces.
fn piece(mask: &[f32], index: usize) -> &[f32] {
    mask.get(index * PIECE..).map_or(&[], |rest| &rest[..rest.len().min(PIECE)])
}

/// Sets the values to exactly +0 where the mask is 0; an empty mask keeps all.
#[inline(always)]
fn hold(values: &mut [f32], mask: &[f32]) {
    values.iter_mut().zip(mask).for_each(|(v, m)| *v = if *m == 0.0 { 0.0 } else { *v });
}
