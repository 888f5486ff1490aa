//! Softmax cross-entropy with label smoothing and mixed targets, over logits `(blocks, classes, 1, 1, 16)`.

use crate::{LANES, Lanes};

/// Labels and smoothing of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The class of each real image.
    pub labels: &'a [u16],
    /// Number of classes.
    pub classes: usize,
    /// Weight that is spread evenly over all classes, as `label_smoothing` of `PyTorch`.
    pub smoothing: f32,
}

/// The second labels of images that are mixtures of two.
#[derive(Debug, Clone, Copy)]
pub struct Mix<'a> {
    /// The class of each real image's other part.
    pub labels: &'a [u16],
    /// The part, 0 to 1, that an image has of its own label; the rest is the other's.
    pub share: f32,
}

/// What one batch scored.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Sum of the images' losses in nats.
    pub loss: f64,
    /// Images whose own class (the first, of mixtures) has the largest logit (the first of equals).
    pub correct: usize,
}

/// The batch's loss; with `grad`, also the gradient of its mean over images (0 in other lanes).
pub fn cross_entropy(target: Target, logits: &[f32], grad: Option<&mut [f32]>) -> Outcome {
    mixed_cross_entropy(target, None, logits, grad)
}

/// As [`cross_entropy`]; with `mix`, the loss is the mixture of the losses of both labels.
pub fn mixed_cross_entropy(
    target: Target,
    mix: Option<Mix>,
    logits: &[f32],
    mut grad: Option<&mut [f32]>,
) -> Outcome {
    let lanes = Lanes::of(target.labels.len());
    assert_eq!(logits.len(), lanes.blocks() * target.classes * LANES, "logits");
    if let Some(grad) = grad.as_deref_mut() {
        assert_eq!(grad.len(), logits.len(), "gradient and logits");
        grad.fill(0.0);
    }
    // Without a mixture, an image is all of its own label.
    let mix = mix.unwrap_or(Mix { labels: target.labels, share: 1.0 });
    assert_eq!(mix.labels.len(), target.labels.len(), "second labels");
    let mut labels = target.labels.iter().chain(mix.labels);
    assert!(labels.all(|l| usize::from(*l) < target.classes), "label out of range");
    let mut outcome = Outcome::default();
    for (n, labels) in target.labels.iter().zip(mix.labels).enumerate() {
        let at = |class: usize| (n / LANES * target.classes + class) * LANES + n % LANES;
        let row: Vec<f64> = (0..target.classes).map(|c| f64::from(logits[at(c)])).collect();
        let parts = Parts {
            own: usize::from(*labels.0),
            other: usize::from(*labels.1),
            share: f64::from(mix.share),
        };
        outcome.add(one(target, &row, parts, |class, slope| {
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

/// What an image shows.
#[derive(Clone, Copy)]
struct Parts {
    own: usize,
    other: usize,
    /// How much of it is its own class.
    share: f64,
}

impl Parts {
    /// How much of it is `class`.
    fn of(self, class: usize) -> f64 {
        let part = |label: usize, share: f64| if label == class { share } else { 0.0 };
        part(self.own, self.share) + part(self.other, 1.0 - self.share)
    }
}

/// One image: its loss, and each class's slope (softmax minus target) to `give`.
fn one(target: Target, row: &[f64], parts: Parts, mut give: impl FnMut(usize, f64)) -> Outcome {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
    let log_sum = largest + sum.ln();
    let even = f64::from(target.smoothing) / target.classes as f64;
    let mut loss = 0.0;
    for (class, &value) in row.iter().enumerate() {
        let hit = parts.of(class) * (1.0 - f64::from(target.smoothing));
        loss += (hit + even) * (log_sum - value);
        give(class, (value - log_sum).exp() - hit - even);
    }
    let first = row.iter().position(|v| *v == largest);
    Outcome { loss, correct: usize::from(first == Some(parts.own)) }
}
