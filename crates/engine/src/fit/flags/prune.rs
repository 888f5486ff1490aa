//! Flags of pruning within a training.

use artifact::{Error, Named, Result};
use clap::Args;
use method::number::{fraction, share};
use method::{MethodDefaults, MethodFlags};
use serde::Serialize;
use sparsity::allocation::Target;
use sparsity::schedule::{Change, Course};
use sparsity::score::Source;
use sparsity::{Current, Schedule, Score, Structure};
use stage::{OnlyWith, Values};

use crate::fit::{Moment, Pruning};

/// How the network is pruned while it is trained.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Pruning while training")]
pub struct PruneFlags {
    /// Prune while training, to --sparsity
    #[arg(long, value_name = "SCHEDULE", value_parser = stage::named::<Schedule>(), requires = "sparsity")]
    #[serde(serialize_with = "method::name")]
    pub prune: Option<Schedule>,
    /// Share of all prunable weights that is pruned at the end (of each layer's with --allocation uniform)
    #[arg(long, value_name = "S", value_parser = fraction, allow_negative_numbers = true)]
    pub sparsity: Option<f64>,
    /// Share of the training after which pruning begins [default: 0.5 one-shot, 0.1 gradual and acdc]
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_from: Option<f64>,
    /// Share of the training after which the masks no longer change [default: 0.6 gradual, 0.85 acdc, 0.75 rigl]
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_until: Option<f64>,
    /// Steps (50) or epochs (1epoch) from one change of the masks to the next [default: 50 gradual, 100 rigl; acdc: a
    /// twentieth of the training; at most a quarter of the way from --prune-from to --prune-until]
    #[arg(long, value_name = "STEPS|Nepochs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_every: Option<Moment>,
    /// Share of each layer's kept weights that rigl replaces at first; it falls to 0
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = fraction)]
    pub prune_replace: f64,
    #[command(flatten)]
    #[serde(flatten)]
    #[allow(missing_docs, reason = "a flattened group shows its own flags' texts")]
    pub method: MethodFlags,
}

const BEGINS: Values = Values::OneOf(&["one-shot", "gradual", "acdc"]);
const GOES_ON: Values = Values::OneOf(&["gradual", "acdc", "rigl"]);
const RIGL: Values = Values::OneOf(&["rigl"]);

/// What a schedule is fitted to.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// The network with the weights that training begins with.
    pub current: Current<'a>,
    /// Whether these weights are initial values, never trained.
    pub fresh: bool,
    /// Training images.
    pub images: usize,
    /// Seed of random scores.
    pub seed: u64,
}

impl PruneFlags {
    /// Flags that act only under some schedules.
    pub const ONLY_WITH: [OnlyWith; 11] = [
        OnlyWith::new("sparsity", "prune", Values::Given),
        OnlyWith::new("prune-from", "prune", BEGINS),
        OnlyWith::new("prune-until", "prune", GOES_ON),
        OnlyWith::new("prune-every", "prune", GOES_ON),
        OnlyWith::new("prune-replace", "prune", RIGL),
        OnlyWith::new("allocation", "prune", Values::Given),
        OnlyWith::new("score", "prune", Values::Given),
        OnlyWith::new("structure", "prune", Values::Given),
        OnlyWith::new("keep-at-least", "prune", Values::Given),
        OnlyWith::new("min-density", "prune", Values::Given),
        OnlyWith::new("exclude", "prune", Values::Given),
    ];

    /// Whether nothing is pruned while training.
    pub fn is_off(&self) -> bool {
        self.prune.is_none()
    }

    /// What prunes a training that begins at `start`, of so many epochs of so many steps; None where nothing does.
    /// Parameters that are `frozen` stay as they are. Every change that can fail is tried.
    ///
    /// # Errors
    /// `Config` where the schedule does not fit into the training, or the method cannot reach the sparsity.
    pub(super) fn pruning(
        &self,
        start: Start,
        (epochs, steps): (usize, usize),
        frozen: Vec<String>,
    ) -> Result<Option<Pruning>> {
        let (Some(schedule), Some(sparsity)) = (self.prune, self.sparsity) else {
            return Ok(None);
        };
        let Start { current, fresh, seed, .. } = start;
        let (total, defaults) = (steps * epochs, schedule.defaults());
        // The magnitudes of initial weights mean nothing: RigL's first masks are random (Evci et al. 2020).
        let drawn = schedule == Schedule::Rigl && fresh;
        let score = if drawn { Score::Random } else { Score::Magnitude };
        let of_method = MethodDefaults { allocation: defaults.allocation, score };
        let mut method = self.method.method(current.graph, false, of_method, seed)?;
        method.excluded.extend(frozen);
        if current.graph.prunable().all(|p| method.excluded.contains(&p.name)) {
            return Err(Error::Config(
                "--prune: --freeze and --exclude leave no weight to prune".to_owned(),
            ));
        }
        let score = method.ranking.score;
        if score.source() != Source::Weights {
            return Err(Error::Config(format!(
                "--score {}: is measured for weights as they are, and training changes them; expected magnitude or random",
                score.name()
            )));
        }
        let of = |share: f64| (share * total as f64).round() as usize;
        let first = of(self.prune_from.unwrap_or(defaults.from));
        let last = of(self.prune_until.unwrap_or(defaults.until));
        // In a short training, too, the masks change several times by default.
        let often = |steps: usize| steps.min(last.saturating_sub(first) / 4).max(1);
        let every = match self.prune_every {
            Some(moment) => moment.steps(steps),
            None => often(defaults.every.unwrap_or(total / 20)),
        };
        let course = Course {
            schedule,
            sparsity,
            before: method.sparsity(current.graph, current.masks)?,
            first,
            last,
            every,
            replace: self.prune_replace,
        };
        course.check(total)?;
        let structure = method.ranking.structure;
        structure.check("--sparsity", sparsity)?;
        if let (Schedule::Rigl, Structure::Nm(_)) = (schedule, structure) {
            return Err(Error::Config(format!(
                "--prune rigl: moves weights from group to group, which --structure {} does not allow; choose another \
                 schedule",
                structure.name()
            )));
        }
        if course.before > sparsity {
            return Err(Error::Config(format!(
                "--sparsity {sparsity}: {:.4} is pruned already, and stays so; ask for at least that",
                course.before
            )));
        }
        for step in [course.first, course.last] {
            if let Some(Change::Prune(sparsity)) = course.at(step) {
                method.prune(current, Target { sparsity, rate: None })?;
            }
        }
        Ok(Some(Pruning { method, course }))
    }
}
