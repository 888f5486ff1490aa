//! Sparse and dense phases by turns.

use super::{Change, Course, Defaults};
use crate::Allocation;

/// Peste et al. 2021, "AC/DC: alternating compressed/decompressed training of deep neural networks", train the first
/// tenth dense and then change every twentieth of the training; the last sparse phase is longer.
pub(super) const DEFAULTS: Defaults =
    Defaults { from: 0.1, until: 0.85, every: None, allocation: Allocation::Global };

/// Phases are counted back from the last step, from which on the network is sparse: all have the same length, but for the
/// dense one at the beginning.
pub(super) fn at(course: &Course, step: usize) -> Option<Change> {
    let left = course.last.checked_sub(step).filter(|_| step >= course.first)?;
    let turn = left.is_multiple_of(course.every).then(|| left / course.every)?;
    Some(if turn.is_multiple_of(2) { Change::Prune(course.sparsity) } else { Change::Free })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Schedule, tests::course};

    #[test]
    fn phases_change_by_turns() {
        let course = course(Schedule::AcDc);
        let found = |course: &Course, steps: [usize; 7]| steps.map(|step| at(course, step));
        let (prune, free) = (Some(Change::Prune(0.9)), Some(Change::Free));
        let expected = [None, prune, free, prune, free, prune, None];
        assert_eq!(found(&course, [0, 10, 20, 30, 40, 50, 60]), expected);
        assert_eq!(at(&course, 15), None);
        // The dense phase at the beginning is as long as it has to be.
        let later = Course { last: 57, ..course };
        assert_eq!(found(&later, [10, 17, 27, 37, 47, 57, 67]), expected);
    }
}
