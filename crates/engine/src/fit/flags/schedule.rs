//! Flags of the learning rate's course.

use clap::{ArgAction, Args};
use serde::Serialize;

use super::number::{fraction, not_negative, positive};
use crate::schedule::{OneCycle, Shape};
use crate::{Schedule, ScheduleKind};

/// How the learning rate changes.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Schedule")]
pub struct ScheduleFlags {
    /// How the learning rate changes
    #[arg(long, value_enum, default_value_t = ScheduleKind::Cosine)]
    pub schedule: ScheduleKind,
    /// Epochs of linear warm-up at the beginning
    #[arg(long, default_value_t = 0.0, value_parser = not_negative)]
    pub warmup_epochs: f64,
    /// Epochs between two factors of the step schedule, counted from the end of the warm-up
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub step_epochs: f64,
    /// Epochs after which the multi-step schedule takes its factors, counted from the beginning
    #[arg(long, value_name = "EPOCHS,..", value_delimiter = ',', value_parser = positive,
          required_if_eq("schedule", "multi-step"))]
    pub milestones: Vec<f64>,
    /// Factor of the step and multi-step schedules
    #[arg(long, default_value_t = 0.1, value_parser = positive)]
    pub gamma: f64,
    /// Share of one-cycle's steps on its way up
    #[arg(long, default_value_t = 0.3, value_parser = fraction)]
    pub pct_start: f64,
    /// One-cycle begins at the full rate over this
    #[arg(long, default_value_t = 25.0, value_parser = positive)]
    pub div_factor: f64,
    /// One-cycle ends at its first rate over this
    #[arg(long, default_value_t = 1e4, value_parser = positive)]
    pub final_div_factor: f64,
    /// Leave momentum (or beta1) constant under one-cycle; by default it goes from 0.95 down to
    /// 0.85 and back while the rate goes up and down
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = ArgAction::Set)]
    pub no_cycle_momentum: bool,
}

impl ScheduleFlags {
    /// The course of a full rate and a momentum over `epochs` of `steps` steps.
    pub(crate) fn get(
        &self,
        (lr, momentum): (f64, f64),
        (epochs, steps): (usize, usize),
    ) -> Schedule {
        let of = |epochs: f64| (epochs * steps as f64).round() as usize;
        let shape = match self.schedule {
            ScheduleKind::Constant => Shape::Constant,
            ScheduleKind::Cosine => Shape::Cosine,
            ScheduleKind::Step => Shape::Step { every: of(self.step_epochs), gamma: self.gamma },
            ScheduleKind::MultiStep => Shape::MultiStep {
                milestones: self.milestones.iter().map(|e| of(*e)).collect(),
                gamma: self.gamma,
            },
            ScheduleKind::OneCycle => Shape::OneCycle(OneCycle {
                rise: self.pct_start,
                div: self.div_factor,
                final_div: self.final_div_factor,
                momentum: !self.no_cycle_momentum,
            }),
        };
        Schedule { shape, lr, momentum, warmup: of(self.warmup_epochs), total: epochs * steps }
    }
}
