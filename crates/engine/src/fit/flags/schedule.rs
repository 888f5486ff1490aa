//! Flags of the learning rate's course.

use artifact::{Error, Result};
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
    /// Whether the rate is the same at every step.
    pub(super) fn is_constant(&self) -> bool {
        self.schedule == ScheduleKind::Constant && self.warmup_epochs == 0.0
    }

    /// Refuses a warm-up, milestones or steps that `schedule`, which follows from these flags,
    /// never comes to; an epoch has `steps` steps.
    ///
    /// # Errors
    /// `Config` with the flag and where the training ends.
    pub(super) fn check(&self, schedule: &Schedule, steps: usize) -> Result<()> {
        let total = schedule.total;
        let bad = |what: String| Err(Error::Config(what));
        let epochs = short(total as f64 / steps as f64);
        let plural = if epochs == 1.0 { "" } else { "s" };
        let end = format!("the training ends after {epochs} epoch{plural} ({total} steps)");
        let warmup = short(self.warmup_epochs);
        if self.warmup_epochs > 0.0 && schedule.warmup == 0 {
            return bad(format!(
                "--warmup-epochs {warmup}: less than one step of {steps} an epoch"
            ));
        }
        if schedule.warmup >= total {
            return bad(format!(
                "--warmup-epochs {warmup}: {end}, so that the warm-up never comes to the full rate; \
                 expected a shorter warm-up or more --epochs"
            ));
        }
        match &schedule.shape {
            Shape::Step { every: 0, .. } => bad(format!(
                "--step-epochs {}: less than one step of {steps} an epoch",
                short(self.step_epochs)
            )),
            Shape::Step { every, .. } if schedule.warmup + every >= total => bad(format!(
                "--step-epochs {}: {end}, so that --gamma never acts; expected fewer, or more \
                 --epochs",
                short(self.step_epochs)
            )),
            Shape::MultiStep { milestones, .. } => {
                let late = milestones.iter().zip(&self.milestones).find(|(m, _)| **m >= total);
                late.map_or(Ok(()), |(_, epoch)| {
                    bad(format!(
                        "--milestones {}: {end}, before this milestone; leave it out, or train for \
                         more --epochs",
                        short(*epoch)
                    ))
                })
            }
            _ => Ok(()),
        }?;
        match schedule.shape {
            Shape::Step { gamma, .. } | Shape::MultiStep { gamma, .. } if gamma == 1.0 => {
                bad("--gamma 1: has no effect; expected another factor".into())
            }
            _ => Ok(()),
        }
    }

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

/// A number of epochs, to two decimals at most.
fn short(epochs: f64) -> f64 {
    (epochs * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use crate::FitFlags;
    use clap::Parser;
    use graph::Graph;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        fit: FitFlags,
    }

    /// What is said of `line` on 100 images, 4 steps an epoch, `skipped` steps behind.
    fn found(line: &str, skipped: usize) -> String {
        let words =
            format!("t {line}{}", if line.contains("--batch") { "" } else { " --batch 25" });
        let fit = Line::parse_from(words.split_whitespace()).fit;
        let graph = Graph::build("vgg-lab@0.03", 10, 32).expect("in the zoo");
        fit.check(&graph, 100, skipped).map_or_else(|e| e.to_string(), |()| "fine".into())
    }

    #[test]
    fn what_lies_behind_the_end_is_refused() {
        let check = |line: &str, expected: &str| {
            let found = found(line, 0);
            assert!(found.contains(expected), "{line}: {found} lacks {expected}");
        };
        let end = "the training ends after 2 epochs (8 steps)";
        check("--epochs 2 --warmup-epochs 1.5", "fine");
        check("--epochs 2 --warmup-epochs 5", &format!("--warmup-epochs 5: {end}"));
        check("--epochs 2 --warmup-epochs 2", "never comes to the full rate");
        check("--epochs 2 --warmup-epochs 0.1", "--warmup-epochs 0.1: less than one step of 4");
        let steps = "--schedule step --epochs 2";
        check(&format!("{steps} --step-epochs 1"), "fine");
        check(&format!("{steps} --step-epochs 2"), &format!("--step-epochs 2: {end}"));
        check(&format!("{steps} --step-epochs 1 --warmup-epochs 1"), "--gamma never acts");
        check(&format!("{steps} --step-epochs 0.1"), "less than one step");
        check(&format!("{steps} --step-epochs 1 --gamma 1"), "--gamma 1: has no effect");
        check(steps, "--step-epochs 30: ");
        let several = "--schedule multi-step --epochs 2 --milestones";
        check(&format!("{several} 0.5,1"), "fine");
        check(&format!("{several} 1,2"), &format!("--milestones 2: {end}"));
        check(&format!("{several} 5,9"), "--milestones 5: ");
    }

    #[test]
    fn steps_of_a_rewound_schedule_count() {
        let line = "--schedule multi-step --epochs 2 --milestones 2";
        assert_eq!(found(line, 4), "fine", "four steps behind and eight to come");
        assert!(found(line, 0).contains("before this milestone"));
    }

    #[test]
    fn a_single_image_is_not_mixed() {
        let said = found("--mixup 0.2 --batch 1", 0);
        assert!(said.contains("--mixup: has no effect with --batch 1"), "{said}");
    }
}
