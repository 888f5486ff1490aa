//! Softmax cross-entropy with label smoothing, over logits `(blocks, classes, 1, 1, 16)`.

use crate::{LANES, Lanes};

/// Labels and smoothing of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The class of each real image.
    pub labels: &'a [u8],
    /// Number of classes.
    pub classes: usize,
    /// Weight that is spread evenly over all classes, as `label_smoothing` of `PyTorch`.
    pub smoothing: f32,
}

/// What one batch scored.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Sum of the images' losses in nats.
    pub loss: f64,
    /// Images whose own class has the largest logit (the first of equals).
    pub correct: usize,
}

/// The batch's loss; with `grad`, also the gradient of its mean over images (0 in other lanes).
pub fn cross_entropy(target: Target, logits: &[f32], mut grad: Option<&mut [f32]>) -> Outcome {
    let lanes = Lanes::of(target.labels.len());
    assert_eq!(logits.len(), lanes.blocks() * target.classes * LANES, "logits");
    if let Some(grad) = grad.as_deref_mut() {
        assert_eq!(grad.len(), logits.len(), "gradient and logits");
        grad.fill(0.0);
    }
    assert!(target.labels.iter().all(|l| usize::from(*l) < target.classes), "label out of range");
    let mut outcome = Outcome::default();
    for (n, &label) in target.labels.iter().enumerate() {
        let at = |class: usize| (n / LANES * target.classes + class) * LANES + n % LANES;
        let row: Vec<f64> = (0..target.classes).map(|c| f64::from(logits[at(c)])).collect();
        outcome.add(one(target, &row, usize::from(label), |class, slope| {
            if let Some(grad) = grad.as_deref_mut() {
                grad[at(class)] = (slope / target.labels.len() as f64) as f32;
            }
        }));
    }
    outcome
}

impl Outcome {
    /// Adds another batch's.
    pub fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
    }
}

/// One image: its loss, and each class's slope (softmax minus target) to `give`.
fn one(target: Target, row: &[f64], label: usize, mut give: impl FnMut(usize, f64)) -> Outcome {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
    let log_sum = largest + sum.ln();
    let even = f64::from(target.smoothing) / target.classes as f64;
    let mut loss = 0.0;
    for (class, &value) in row.iter().enumerate() {
        let hit = if class == label { 1.0 - f64::from(target.smoothing) } else { 0.0 };
        loss += (hit + even) * (log_sum - value);
        give(class, (value - log_sum).exp() - hit - even);
    }
    let first = row.iter().position(|v| *v == largest);
    Outcome { loss, correct: usize::from(first == Some(label)) }
}
