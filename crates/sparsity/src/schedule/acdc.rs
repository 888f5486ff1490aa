//! Sparse and dense phases by turns.

use super::{Change, Course, Defaults, turn};
use crate::Allocation;

/// Peste et al. 2021, "AC/DC: alternating compressed/decompressed training of deep neural networks", train the first
/// tenth dense and then change every twentieth of the training; the last sparse phase is longer.
pub(super) const DEFAULTS: Defaults =
    Defaults { from: 0.1, until: 0.85, every: None, allocation: Allocation::Global };

/// The first phase is sparse; the last, from the last step on, is too.
pub(super) fn at(course: &Course, step: usize) -> Option<Change> {
    if step == course.last {
        return Some(Change::Prune(course.sparsity));
    }
    let turn = turn(course, step)?;
    Some(if turn % 2 == 0 { Change::Prune(course.sparsity) } else { Change::Free })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Schedule, tests::course};

    #[test]
    fn phases_change_by_turns() {
        let course = course(Schedule::AcDc);
        let found: Vec<Option<Change>> = (0..7).map(|k| at(&course, k * 10)).collect();
        let (prune, free) = (Some(Change::Prune(0.9)), Some(Change::Free));
        assert_eq!(found, [None, prune, free, prune, free, prune, None]);
        assert_eq!(at(&course, 15), None);
    }
}
