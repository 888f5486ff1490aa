//! Softmax cross-entropy with label smoothing, mixed targets and a teacher, over logits `(blocks, classes, 1, 1, 16)`.

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

/// What another network answers to the same images (Hinton et al. 2015, "Distilling the knowledge in a neural network").
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// Its logits, images x classes.
    pub logits: &'a [f32],
    /// What the logits of both are divided by.
    pub temperature: f32,
    /// The part, 0 to 1, that its answers have of the loss; the rest is the labels'.
    pub share: f32,
}

/// What a training minimises.
#[derive(Debug, Clone, Copy)]
pub struct Objective<'a> {
    /// The labels.
    pub target: Target<'a>,
    /// Second labels, where images are mixtures.
    pub mix: Option<Mix<'a>>,
    /// Answers to come close to.
    pub teacher: Option<Teacher<'a>>,
}

impl<'a> From<Target<'a>> for Objective<'a> {
    fn from(target: Target<'a>) -> Self {
        Self { target, mix: None, teacher: None }
    }
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
    loss(target.into(), logits, grad)
}

/// As [`cross_entropy`]. With a mix, the loss is the mixture of the losses of both labels. With a teacher of temperature
/// `T` and share `a`, it is `(1 - a)` times that loss and `a T^2` times the Kullback-Leibler divergence of the softmax of
/// `logits / T` from that of the teacher's.
///
/// # Panics
/// If lengths do not fit each other, or a label is out of range.
pub fn loss(objective: Objective, logits: &[f32], mut grad: Option<&mut [f32]>) -> Outcome {
    let Objective { target, mix, teacher } = objective;
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
    let answers = teacher.map_or(0, |t| t.logits.len());
    assert!(teacher.is_none() || answers == target.labels.len() * target.classes, "answers");
    let mut outcome = Outcome::default();
    for (n, labels) in target.labels.iter().zip(mix.labels).enumerate() {
        let at = |class: usize| (n / LANES * target.classes + class) * LANES + n % LANES;
        let row: Vec<f64> = (0..target.classes).map(|c| f64::from(logits[at(c)])).collect();
        let parts = Parts {
            own: usize::from(*labels.0),
            other: usize::from(*labels.1),
            share: f64::from(mix.share),
        };
        let soft = teacher.map(|t| Soft {
            row: &t.logits[n * target.classes..(n + 1) * target.classes],
            temperature: f64::from(t.temperature),
            share: f64::from(t.share),
        });
        outcome.add(one(target, &row, (parts, soft), |class, slope| {
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

/// What a teacher says of an image.
#[derive(Clone, Copy)]
struct Soft<'a> {
    row: &'a [f32],
    temperature: f64,
    share: f64,
}

impl Soft<'_> {
    /// Of a student with these logits: the loss, and how it changes with each of them.
    fn loss(self, row: &[f64]) -> (f64, Vec<f64>) {
        let temperature = self.temperature;
        let student: Vec<f64> = row.iter().map(|v| v / temperature).collect();
        let teacher: Vec<f64> = self.row.iter().map(|v| f64::from(*v) / temperature).collect();
        let (own, other) = (log_sum(&student), log_sum(&teacher));
        let mut divergence = 0.0;
        let slopes = student.iter().zip(&teacher).map(|(s, t)| {
            let (s, t) = (s - own, t - other);
            divergence += t.exp() * (t - s);
            // T^2 of the loss, and 1 / T of the division.
            temperature * (s.exp() - t.exp())
        });
        let slopes = slopes.collect();
        (temperature * temperature * divergence, slopes)
    }
}

/// The logarithm of the sum of exponentials.
fn log_sum(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
    largest + sum.ln()
}

/// One image: its loss, and each class's slope (softmax minus target, without a teacher) to `give`.
fn one(
    target: Target,
    row: &[f64],
    (parts, soft): (Parts, Option<Soft>),
    mut give: impl FnMut(usize, f64),
) -> Outcome {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = log_sum(row);
    let soft = soft.map(|soft| (soft.share, soft.loss(row)));
    let hard = 1.0 - soft.as_ref().map_or(0.0, |(share, _)| *share);
    let even = f64::from(target.smoothing) / target.classes as f64;
    let mut loss = 0.0;
    for (class, &value) in row.iter().enumerate() {
        let hit = parts.of(class) * (1.0 - f64::from(target.smoothing));
        loss += (hit + even) * (log_sum - value);
        let slope = hard * ((value - log_sum).exp() - hit - even);
        give(
            class,
            slope + soft.as_ref().map_or(0.0, |(share, (_, slopes))| share * slopes[class]),
        );
    }
    let loss = hard * loss + soft.map_or(0.0, |(share, (loss, _))| share * loss);
    let first = row.iter().position(|v| *v == largest);
    Outcome { loss, correct: usize::from(first == Some(parts.own)) }
}
