//! When weights go: by rounds, or by steps within a training.
//!
//! Rounds alternate pruning and fine-tuning, each an artifact ([`rounds()`], [`next_target`]). Within a training a
//! [`Schedule`] says which step changes the masks, and how. Each is a file.

mod acdc;
mod gradual;
mod one_shot;
mod rigl;
mod rounds;

use artifact::{Error, Named, Result};

pub use rigl::regrow;
pub use rounds::{next_target, round, rounds};

use crate::Allocation;

/// How masks change within a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// All at once.
    OneShot,
    /// A little every so many steps, less and less.
    Gradual,
    /// Pruned and dense by turns.
    AcDc,
    /// Sparse from the first step; the smallest weights make room for others.
    Rigl,
}

impl Named for Schedule {
    const WHAT: &'static str = "pruning schedule";
    const ALL: &'static [Self] = &[Self::OneShot, Self::Gradual, Self::AcDc, Self::Rigl];

    fn name(self) -> &'static str {
        match self {
            Self::OneShot => "one-shot",
            Self::Gradual => "gradual",
            Self::AcDc => "acdc",
            Self::Rigl => "rigl",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::OneShot => "All at once, at --prune-from",
            Self::Gradual => "Little by little, along a cubic (Zhu and Gupta 2017)",
            Self::AcDc => {
                "Sparse and dense phases by turns, the last one sparse (AC/DC, Peste et al. 2021)"
            }
            Self::Rigl => {
                "Sparse from the first step; the smallest weights go, and those with the largest gradients come instead \
                 (RigL, Evci et al. 2020)"
            }
        }
    }
}

/// What happens to the masks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Weights go until this share is pruned.
    Prune(f64),
    /// All weights may move again, from zero.
    Free,
    /// This share of each layer's kept weights goes, and as many others come, by [`regrow`].
    Regrow(f64),
}

/// A schedule with its numbers: steps are those of the training, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Course {
    /// The schedule.
    pub schedule: Schedule,
    /// The share that is pruned at the end.
    pub sparsity: f64,
    /// The share that is pruned before the training.
    pub before: f64,
    /// The step at which it begins.
    pub first: usize,
    /// The step at which it ends.
    pub last: usize,
    /// Steps from one change to the next.
    pub every: usize,
    /// The largest share of kept weights that is replaced at a time.
    pub replace: f64,
}

/// Shares of a training, and what else a schedule uses where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defaults {
    /// Share of the training at which it begins.
    pub from: f64,
    /// Share of the training at which it ends.
    pub until: f64,
    /// Steps from one change to the next; where there are none, a share of the training.
    pub every: Option<usize>,
    /// How layers share what is pruned.
    pub allocation: Allocation,
}

impl Schedule {
    /// Its numbers where nothing is said.
    pub fn defaults(self) -> Defaults {
        match self {
            Self::OneShot => one_shot::DEFAULTS,
            Self::Gradual => gradual::DEFAULTS,
            Self::AcDc => acdc::DEFAULTS,
            Self::Rigl => rigl::DEFAULTS,
        }
    }
}

impl Course {
    /// What happens before step `step`.
    pub fn at(&self, step: usize) -> Option<Change> {
        match self.schedule {
            Schedule::OneShot => one_shot::at(self, step),
            Schedule::Gradual => gradual::at(self, step),
            Schedule::AcDc => acdc::at(self, step),
            Schedule::Rigl => rigl::at(self, step),
        }
    }

    /// The step of the last change.
    pub fn last_change(&self) -> usize {
        match self.schedule {
            Schedule::OneShot => self.first,
            Schedule::Gradual | Schedule::AcDc => self.last,
            Schedule::Rigl => rigl::last_change(self),
        }
    }

    /// Refuses a course that does not fit into a training of `total` steps.
    ///
    /// # Errors
    /// [`Error::Config`] where it ends after the training, or a step never comes.
    pub fn check(&self, total: usize) -> Result<()> {
        let bad = |what: String| Err(Error::Config(what));
        let Self { first, last, every, .. } = *self;
        let one_shot = self.schedule == Schedule::OneShot;
        if !one_shot && every == 0 {
            return bad("--prune-every 0: expected steps (50) or epochs (1epoch) over 0".to_owned());
        }
        if !one_shot && last < first + 2 {
            return bad(format!(
                "--prune-until: pruning ends at step {last} and begins at step {first}, of {total}; expected a share so \
                 large that a step lies between"
            ));
        }
        let end = self.last_change();
        if end >= total {
            return bad(format!(
                "--prune {}: the masks change for the last time at step {end}, and the training ends after {total} steps; \
                 expected steps under the final masks: a smaller {} or more --epochs",
                self.schedule.name(),
                if one_shot { "--prune-from" } else { "--prune-until" }
            ));
        }
        if !one_shot && every >= last - first {
            return bad(format!(
                "--prune-every {every}: pruning takes {} steps (from step {first} to {last} of {total}), so that no change \
                 comes between; expected 1 to {}",
                last - first,
                last - first - 1
            ));
        }
        Ok(())
    }
}

/// Whether a multiple of `every` steps has passed from `first` to `step`, and how many.
fn turn(course: &Course, step: usize) -> Option<usize> {
    let passed = step.checked_sub(course.first)?;
    (step < course.last && passed % course.every == 0).then(|| passed / course.every)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn course(schedule: Schedule) -> Course {
        let (sparsity, before, replace) = (0.9, 0.0, 0.3);
        Course { schedule, sparsity, before, first: 10, last: 50, every: 10, replace }
    }

    #[track_caller]
    fn check(course: Course, total: usize, expected: &str) {
        let found = course.check(total).map_or_else(|e| e.to_string(), |()| "fine".into());
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn what_ends_after_the_training_or_never_begins_is_refused() {
        for schedule in Schedule::ALL {
            check(course(*schedule), 51, "fine");
        }
        let gradual = course(Schedule::Gradual);
        check(gradual, 50, "for the last time at step 50, and the training ends after 50 steps");
        check(Course { first: 50, ..gradual }, 60, "ends at step 50 and begins at step 50");
        check(Course { first: 0, last: 0, ..course(Schedule::Rigl) }, 60, "ends at step 0");
        check(Course { every: 40, ..gradual }, 60, "expected 1 to 39");
        check(Course { every: 0, ..gradual }, 60, "--prune-every 0");
        check(course(Schedule::OneShot), 11, "fine");
        check(course(Schedule::OneShot), 10, "a smaller --prune-from");
        check(Course { first: 0, ..course(Schedule::Rigl) }, 41, "fine");
        check(Course { first: 0, ..course(Schedule::Rigl) }, 40, "at step 40");
    }

    /// Of every schedule: the last change is the last, and leaves the network as sparse as it was asked for.
    #[test]
    fn the_last_change_is_what_it_says() {
        for schedule in Schedule::ALL {
            let course = Course {
                first: if *schedule == Schedule::Rigl { 0 } else { 10 },
                ..course(*schedule)
            };
            let changes: Vec<(usize, Change)> =
                (0..100).filter_map(|step| Some((step, course.at(step)?))).collect();
            let (step, change) = changes.last().expect("some");
            assert_eq!(*step, course.last_change(), "{schedule:?}");
            match change {
                Change::Prune(sparsity) => assert_eq!(*sparsity, 0.9, "{schedule:?}"),
                Change::Regrow(_) => assert_eq!(changes[0], (0, Change::Prune(0.9))),
                Change::Free => panic!("{schedule:?} ends dense"),
            }
        }
    }
}
