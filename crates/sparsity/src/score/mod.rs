//! Scores that rank weights: the smallest are pruned first.

mod magnitude;
mod random;

pub use magnitude::magnitude;
pub use random::random;

use artifact::Named;

use crate::Units;

/// What ranks the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// [`magnitude()`].
    Magnitude,
    /// [`random()`].
    Random,
}

impl Named for Score {
    const WHAT: &'static str = "score";
    const ALL: &'static [Self] = &[Self::Magnitude, Self::Random];

    fn name(self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Random => "random",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Magnitude => "The absolute value",
            Self::Random => "A random number, as a baseline",
        }
    }
}

impl Score {
    /// The score of each of the `units` of the parameter `name` with these `values`; `seed` is that of random ones.
    pub fn of(self, name: &str, values: &[f32], units: Units, seed: u64) -> Vec<f32> {
        match self {
            Self::Magnitude => units.sums(&magnitude(values)),
            Self::Random => random(name, units.count(), seed),
        }
    }

    /// Describes the pruned `share` of `whose`, such as `the smallest 90 % of all`.
    pub(crate) fn describe(self, share: &str, whose: &str) -> String {
        match self {
            Self::Random => format!("{share} of {whose} drawn by lot"),
            Self::Magnitude => format!("the smallest {share} of {whose}"),
        }
    }
}
