//! The flags of training and fine-tuning, declared once.

use cifar::Augment;
use clap::{ArgAction, Args};
use serde::Serialize;

use crate::{Schedule, ScheduleKind, Sgd};

/// How to train.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Training")]
pub struct FitFlags {
    /// Passes over the training images
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    pub epochs: usize,
    /// Images a step
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    pub batch: usize,
    /// Full learning rate
    #[arg(long, default_value_t = 0.05, value_parser = positive, allow_negative_numbers = true)]
    pub lr: f64,
    /// Momentum of SGD
    #[arg(long, default_value_t = 0.9, value_parser = fraction)]
    pub momentum: f64,
    /// Nesterov's momentum
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = ArgAction::Set)]
    pub nesterov: bool,
    /// L2 penalty on every parameter
    #[arg(long, default_value_t = 5e-4, value_parser = not_negative)]
    pub weight_decay: f64,
    /// How the learning rate changes
    #[arg(long, value_enum, default_value_t = ScheduleKind::Cosine)]
    pub schedule: ScheduleKind,
    /// Epochs of linear warm-up at the beginning
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    pub warmup_epochs: f64,
    /// Epochs between two factors of the step schedule
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub step_epochs: f64,
    /// Factor of the step schedule
    #[arg(long, default_value_t = 0.1, value_parser = positive)]
    pub gamma: f64,
    /// Weight of the loss that is spread evenly over all classes
    #[arg(long, default_value_t = 0.0, value_parser = fraction)]
    pub label_smoothing: f64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub augment: AugmentFlags,
}

/// How training images vary from epoch to epoch.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Training images")]
pub struct AugmentFlags {
    /// Black pixels around an image before a random crop; 0 crops nothing
    #[arg(long, default_value_t = 4)]
    pub crop_padding: usize,
    /// Do not mirror half of the images
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = ArgAction::Set)]
    pub no_flip: bool,
}

impl AugmentFlags {
    /// The augmentation, if there is any.
    pub(crate) fn get(&self) -> Option<Augment> {
        let (padding, flip) = (self.crop_padding, !self.no_flip);
        (padding > 0 || flip).then_some(Augment { padding, flip })
    }
}

impl FitFlags {
    /// The learning rate of every step over `images` training images.
    pub(crate) fn schedule(&self, images: usize) -> Schedule {
        let steps = images.div_ceil(self.batch);
        let of = |epochs: f64| (epochs * steps as f64).round() as usize;
        Schedule {
            kind: self.schedule,
            lr: self.lr,
            warmup: of(self.warmup_epochs),
            total: self.epochs * steps,
            every: of(self.step_epochs),
            gamma: self.gamma,
        }
    }

    /// The optimiser's constants at learning rate `lr`.
    pub(crate) fn sgd(&self, lr: f64) -> Sgd {
        Sgd {
            lr: lr as f32,
            momentum: self.momentum as f32,
            weight_decay: self.weight_decay as f32,
            nesterov: self.nesterov,
        }
    }
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(v) if v.is_finite() && fits(v) => Ok(v),
        _ => Err(format!("expected {expected}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |v| v > 0.0, "a number over 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |v| v >= 0.0, "a number of 0 or more")
}

fn fraction(text: &str) -> Result<f64, String> {
    number(text, |v| (0.0..1.0).contains(&v), "a number from 0 up to, but not, 1")
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a whole number over 0".into())
}
