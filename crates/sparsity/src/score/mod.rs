//! Scores that rank weights: the smallest are pruned first.

mod fisher;
mod magnitude;
mod random;
mod taylor;
mod wanda;

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
    /// The mean of |weight x gradient| over images.
    Taylor,
    /// The weight's square times the mean square of its gradient, halved.
    Fisher,
    /// The magnitude times the norm of the weight's input.
    Wanda,
}

/// What is known of a parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its values.
    pub values: &'a [f32],
    /// A score a weight, where it was measured.
    pub measured: Option<&'a [f32]>,
}

/// What a score is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The weights.
    Weights,
    /// Gradients of the loss of images, too.
    Gradients,
    /// What weights are multiplied with when the network answers, too.
    Inputs,
}

impl Named for Score {
    const WHAT: &'static str = "score";
    const ALL: &'static [Self] =
        &[Self::Magnitude, Self::Random, Self::Taylor, Self::Fisher, Self::Wanda];

    fn name(self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Random => "random",
            Self::Taylor => "taylor",
            Self::Fisher => "fisher",
            Self::Wanda => "wanda",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Magnitude => "The absolute value",
            Self::Random => "A random number, as a baseline",
            Self::Taylor => {
                "The mean of |weight x gradient| over training images (Molchanov et al. 2017)"
            }
            Self::Fisher => {
                "Half the square of the weight times the mean square of its gradient (LeCun et al. 1989, Theis et al. 2018)"
            }
            Self::Wanda => {
                "The absolute value times the L2 norm of the weight's input (Sun et al. 2023)"
            }
        }
    }
}

impl Score {
    /// What it is computed from.
    pub fn source(self) -> Source {
        match self {
            Self::Magnitude | Self::Random => Source::Weights,
            Self::Taylor | Self::Fisher => Source::Gradients,
            Self::Wanda => Source::Inputs,
        }
    }

    /// The score of each of the `units` of a parameter; `seed` is that of random ones.
    ///
    /// # Panics
    /// If the score has to be measured and was not.
    pub fn of(self, parameter: Parameter, units: Units, seed: u64) -> Vec<f32> {
        let Parameter { name, values, measured } = parameter;
        match self {
            Self::Magnitude => units.sums(&magnitude(values)),
            Self::Random => random(name, units.count(), seed),
            Self::Taylor | Self::Fisher | Self::Wanda => {
                units.sums(measured.expect("checked before"))
            }
        }
    }

    /// Adds to each weight's sum what `gradient`, that of the mean loss of so many images, says.
    ///
    /// # Panics
    /// If the score is not computed from gradients.
    pub fn add_gradient(self, sums: &mut [f64], weights: &[f32], gradient: &[f32], images: usize) {
        let images = images as f64;
        match self {
            Self::Taylor => taylor::add(sums, weights, gradient, images),
            Self::Fisher => fisher::add(sums, gradient, images),
            Self::Magnitude | Self::Random | Self::Wanda => unreachable!("has no gradients"),
        }
    }

    /// The score of a weight with the sum `sum` over `count` images.
    ///
    /// # Panics
    /// If the score is computed from weights alone.
    pub fn measured(self, weight: f32, sum: f64, count: usize) -> f32 {
        let mean = sum / count.max(1) as f64;
        let score = match self {
            Self::Taylor => mean,
            Self::Fisher => fisher::score(weight, mean),
            Self::Wanda => wanda::score(weight, sum),
            Self::Magnitude | Self::Random => unreachable!("is not measured"),
        };
        score as f32
    }

    /// Describes the pruned `share` of `whose`, such as `the smallest 90 % of all`.
    pub(crate) fn describe(self, share: &str, whose: &str) -> String {
        match self {
            Self::Random => format!("{share} of {whose} drawn by lot"),
            Self::Magnitude | Self::Taylor | Self::Fisher | Self::Wanda => {
                format!("the smallest {share} of {whose}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_scores() {
        let (weights, gradients) = ([2.0, -3.0], [[0.5, -1.0], [-1.5, 1.0]]);
        let check = |score: Score, expected: [f32; 2]| {
            let mut sums = [0.0; 2];
            for gradient in &gradients {
                score.add_gradient(&mut sums, &weights, gradient, 1);
            }
            let found = [0, 1].map(|i| score.measured(weights[i], sums[i], gradients.len()));
            assert_eq!(found, expected, "{score:?}");
        };
        check(Score::Taylor, [2.0, 3.0]);
        // 4 (0.25 + 2.25) / 2 / 2, 9 (1 + 1) / 2 / 2.
        check(Score::Fisher, [2.5, 4.5]);
        assert_eq!(Score::Wanda.measured(-3.0, 16.0, 5), 12.0);
    }
}
