//! Flags of the optimiser.

use clap::{ArgAction, Args};
use serde::Serialize;

use super::number::{fraction, not_negative, positive};
use crate::{Adam, Clip, OptimiserKind, Sgd, Step};

/// How weights move.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Optimiser")]
pub struct OptimiserFlags {
    /// How weights follow their gradients
    #[arg(long, value_enum, default_value_t = OptimiserKind::Sgd)]
    pub optimiser: OptimiserKind,
    /// Full learning rate
    #[arg(long, default_value_t = 0.05, value_parser = positive, allow_negative_numbers = true)]
    pub lr: f64,
    /// Momentum of SGD; under one-cycle, see --no-cycle-momentum
    #[arg(long, default_value_t = 0.9, value_parser = fraction)]
    pub momentum: f64,
    /// Nesterov's momentum, of SGD
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = ArgAction::Set)]
    pub nesterov: bool,
    /// Decay of the running mean of Adam's gradients
    #[arg(long, default_value_t = 0.9, value_parser = fraction)]
    pub beta1: f64,
    /// Decay of the running mean of their squares
    #[arg(long, default_value_t = 0.999, value_parser = fraction)]
    pub beta2: f64,
    /// What Adam adds to the root of that mean
    #[arg(long, default_value_t = 1e-8, value_parser = positive)]
    pub eps: f64,
    /// L2 penalty on every parameter, in the gradient; with adamw, weights shrink by this times the
    /// learning rate instead
    #[arg(long, default_value_t = 5e-4, value_parser = not_negative)]
    pub weight_decay: f64,
    /// Put each value of the gradients between this and its negative, before --clip-norm
    #[arg(long, value_name = "VALUE", value_parser = positive)]
    pub clip_value: Option<f64>,
    /// Scale gradients down so that the L2 norm of all together is at most this
    #[arg(long, value_name = "NORM", value_parser = positive)]
    pub clip_norm: Option<f64>,
    /// Leave the parameters of these names as they are, * standing for any text and ? for any
    /// character, as in 'features.*,conv1.weight'. The statistics of a frozen batch norm move on
    #[arg(long, value_name = "PATTERN,..", value_delimiter = ',')]
    pub freeze: Vec<String>,
    /// Decay of an exponential moving average of weights and norm statistics, of which the best
    /// epoch is then kept instead of the weights' own; 0 takes none
    #[arg(long, default_value_t = 0.0, value_name = "DECAY", value_parser = fraction)]
    pub ema: f64,
}

impl OptimiserFlags {
    /// The full learning rate, and what a schedule takes as the momentum.
    pub(crate) fn full(&self) -> (f64, f64) {
        let sgd = self.optimiser == OptimiserKind::Sgd;
        (self.lr, if sgd { self.momentum } else { self.beta1 })
    }

    /// The limits of the gradients.
    pub(crate) fn clip(&self) -> Clip {
        Clip { value: self.clip_value, norm: self.clip_norm }
    }

    /// The constants of step number `number`, counted from 1, at learning rate and momentum.
    pub(crate) fn step(&self, (lr, momentum): (f64, f64), number: usize) -> Step {
        let (lr, momentum, weight_decay) = (lr as f32, momentum as f32, self.weight_decay as f32);
        match self.optimiser {
            OptimiserKind::Sgd => {
                Step::Sgd(Sgd { lr, momentum, weight_decay, nesterov: self.nesterov })
            }
            kind => Step::Adam(Adam {
                lr,
                betas: (momentum, self.beta2 as f32),
                eps: self.eps as f32,
                weight_decay,
                decoupled: kind == OptimiserKind::AdamW,
                step: u32::try_from(number).unwrap_or(u32::MAX),
            }),
        }
    }
}
