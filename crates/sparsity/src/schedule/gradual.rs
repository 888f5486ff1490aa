//! Little by little, along a cubic.

use super::{Change, Course, Defaults, turn};
use crate::Allocation;

/// Zhu and Gupta 2017, "To prune, or not to prune", prune every 100 steps or more of a long training.
pub(super) const DEFAULTS: Defaults =
    Defaults { from: 0.1, until: 0.6, every: Some(50), allocation: Allocation::Global };

/// `s + (s0 - s) (1 - t)^3` (their equation 1), where `t` goes from 0 at the first step to 1 at the last, `s0` is the
/// sparsity before and `s` that of the end.
pub(super) fn at(course: &Course, step: usize) -> Option<Change> {
    let Course { sparsity, before, first, last, .. } = *course;
    if step == last {
        return Some(Change::Prune(sparsity));
    }
    turn(course, step)?;
    let left = 1.0 - (step - first) as f64 / (last - first) as f64;
    Some(Change::Prune(sparsity + (before - sparsity) * left.powi(3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Schedule, tests::course};

    #[test]
    fn the_cubic_of_the_paper() {
        let check = |course: &Course, step: usize, expected: Option<f64>| {
            let found = at(course, step).map(|change| match change {
                Change::Prune(sparsity) => sparsity,
                other => panic!("{step}: {other:?}"),
            });
            let off = found.zip(expected).map_or(0.0, |(found, expected)| found - expected);
            assert!(
                found.is_some() == expected.is_some() && off.abs() < 1e-12,
                "{step}: {found:?}"
            );
        };
        let from_nothing = course(Schedule::Gradual);
        check(&from_nothing, 9, None);
        check(&from_nothing, 10, Some(0.0));
        check(&from_nothing, 15, None);
        // Half way: 0.9 (1 - 0.5^3).
        check(&from_nothing, 30, Some(0.7875));
        check(&from_nothing, 50, Some(0.9));
        check(&from_nothing, 60, None);
        let further = Course { before: 0.5, every: 15, ..from_nothing };
        check(&further, 10, Some(0.5));
        // A quarter is left: 0.9 - 0.4 / 64.
        check(&further, 40, Some(0.89375));
        check(&further, 50, Some(0.9));
    }
}
