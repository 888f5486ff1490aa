//! N of M: each group of M consecutive input channels at one kernel position keeps N weights.

use std::collections::BTreeMap;
use std::sync::Mutex;

use artifact::Named;
use graph::Param;

use super::units::inputs;
use crate::select::Rank;
use crate::{Mask, Score};

/// How many weights of a group are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nm {
    keep: usize,
    of: usize,
}

/// The largest group.
const MOST: usize = 64;

impl Nm {
    /// What sparse tensor cores compute (Mishra et al. 2021).
    pub const TWO_OF_FOUR: Self = Self { keep: 2, of: 4 };
    /// Half of that.
    pub const ONE_OF_FOUR: Self = Self { keep: 1, of: 4 };

    /// `2:4` and the like: at least one and not all of a group of at most 64.
    pub(super) fn parsed(word: &str) -> Option<Self> {
        let (keep, of) = word.split_once(':')?;
        let (keep, of) = (keep.parse().ok()?, of.parse().ok()?);
        (keep >= 1 && keep < of && of <= MOST).then_some(Self { keep, of })
    }

    /// `2:4`.
    pub(super) fn name(self) -> &'static str {
        // One small text for each pair that was ever named.
        static NAMES: Mutex<BTreeMap<Nm, &'static str>> = Mutex::new(BTreeMap::new());
        let mut names = NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        names.entry(self).or_insert_with(|| format!("{}:{}", self.keep, self.of).leak())
    }

    /// The weights of a group.
    pub(super) fn of(self) -> usize {
        self.of
    }

    /// The share that is pruned of each group.
    pub fn sparsity(self) -> f64 {
        (self.of - self.keep) as f64 / self.of as f64
    }

    /// How many weights a group loses on the way to this share, where `sparsity` is reached so far.
    pub(crate) fn pruned_of_group(self, sparsity: f64) -> usize {
        // What `Structure::check` takes for the whole share is.
        ((sparsity * self.of as f64 + 1e-7) as usize).min(self.of - self.keep)
    }

    /// The weights of `param` with these scores that are kept where each whole group loses `k` (those that rank lowest;
    /// ties by position), what `before` pruned among them. Inputs that fill no group stay. What a group had lost beyond `k`
    /// stays so.
    pub(crate) fn mask(
        self,
        param: &Param,
        scores: &[f32],
        before: Option<&Mask>,
        k: usize,
    ) -> Mask {
        let inputs = inputs(param);
        let taps: usize = param.shape.iter().skip(2).product();
        let mut kept: Vec<bool> = match before {
            Some(mask) => mask.kept().to_vec(),
            None => vec![true; scores.len()],
        };
        let mut group = Vec::with_capacity(self.of);
        for output in 0..param.shape[0] {
            for first in (0..inputs / self.of * self.of).step_by(self.of) {
                for tap in 0..taps {
                    let at = |i: usize| (output * inputs + first + i) * taps + tap;
                    group.clear();
                    group.extend((0..self.of).map(at));
                    group.sort_by_key(|i| (kept[*i], scores[*i].rank()));
                    group.iter().take(k).for_each(|i| kept[*i] = false);
                }
            }
        }
        Mask::new(kept)
    }

    /// Why `param` has this `mask`, `sparsity` on the way.
    pub(crate) fn reason(self, param: &Param, mask: &Mask, score: Score, sparsity: f64) -> String {
        let (k, by, name) = (self.pruned_of_group(sparsity), score.name(), self.name());
        let inputs = inputs(param);
        let left = inputs % self.of * (param.count() / inputs.max(1));
        let apart = match left {
            0 => String::new(),
            n => format!("; {n} weights lie in no whole group and stay"),
        };
        let share = mask.pruned() as f64 / mask.len().max(1) as f64 * 100.0;
        let smallest =
            score.describe(&k.to_string(), &format!("each group of {} input channels", self.of));
        format!("{name} {by}: {share:.1} %, {smallest}{apart}")
    }
}
