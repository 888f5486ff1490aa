//! How pixels become a network's input.

use serde::{Deserialize, Serialize};

/// Mean and standard deviation of each channel: the input is `(pixel / 255 - mean) / std`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// Subtracted from pixels in `[0, 1]`, a value a channel.
    pub mean: Vec<f64>,
    /// What the difference is divided by, a value a channel.
    pub std: Vec<f64>,
}

impl Normalisation {
    /// Whether it is one of images of `channels` channels. No values in `[0, 1]` have a mean beyond that or a
    /// deviation above a half; one up to 1 is in use for scaling to `[-1, 1]` and back.
    ///
    /// # Errors
    /// What was found, and what was expected.
    pub fn check(&self, channels: usize) -> Result<(), String> {
        let Self { mean, std } = self;
        let fine = mean.len() == channels
            && std.len() == channels
            && mean.iter().all(|m| (0.0..=1.0).contains(m))
            && std.iter().all(|s| *s as f32 > 0.0 && *s <= 1.0);
        if fine {
            return Ok(());
        }
        Err(format!(
            "mean {mean:?} and std {std:?}; expected a number each of {channels} channels, for pixels from 0 to \
             1: means from 0 to 1, deviations above 0 and at most 1"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_and_a_deviation_of_each_channel_are_wanted() {
        let check = |mean: &[f64], std: &[f64]| {
            Normalisation { mean: mean.to_vec(), std: std.to_vec() }.check(2)
        };
        assert_eq!(check(&[0.0, 1.0], &[0.25, 1.0]), Ok(()));
        for (mean, std) in [
            (&[0.5; 1][..], &[0.25; 2][..]),
            (&[0.5; 2], &[0.25; 3]),
            // Of pixels from 0 to 255.
            (&[123.675, 116.28], &[0.25; 2]),
            (&[0.5; 2], &[58.395, 57.12]),
            (&[-0.5, 0.5], &[0.25; 2]),
            (&[f64::NAN, 0.5], &[0.25; 2]),
            (&[0.5; 2], &[0.25, 0.0]),
            // Nothing is left of it as f32.
            (&[0.5; 2], &[0.25, 1e-60]),
            (&[0.5; 2], &[0.25, f64::NAN]),
        ] {
            let error = check(mean, std).expect_err("refused");
            assert!(
                error.contains("a number each of 2 channels, for pixels from 0 to 1"),
                "{error}"
            );
        }
    }
}
