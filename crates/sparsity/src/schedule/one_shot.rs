//! All at once, in the middle of a training.

use super::{Change, Course, Defaults};
use crate::Allocation;

pub(super) const DEFAULTS: Defaults =
    Defaults { from: 0.5, until: 1.0, every: None, allocation: Allocation::Global };

pub(super) fn at(course: &Course, step: usize) -> Option<Change> {
    (step == course.first).then_some(Change::Prune(course.sparsity))
}
