//! How pixels become a network's input.

use std::fmt;

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

/// Pixels of eight bits that are not all the same have a standard deviation far above it; divided by less,
/// they would soon be too large for f32.
const LEAST_STD: f64 = 1e-9;

impl Normalisation {
    /// Checks that it suits images of `channels` channels. Values in `[0, 1]` cannot have a mean outside that
    /// range or a standard deviation above a half; up to 1 is allowed, since some networks merely rescale.
    ///
    /// # Errors
    /// What was found, and what was expected.
    pub fn check(&self, channels: usize) -> Result<(), String> {
        let Self { mean, std } = self;
        let fine = mean.len() == channels
            && std.len() == channels
            && mean.iter().all(|m| (0.0..=1.0).contains(m))
            && std.iter().all(|s| (LEAST_STD..=1.0).contains(s));
        if fine {
            return Ok(());
        }
        Err(format!(
            "mean {mean:?} and std {std:?}; expected one number for each of {channels} channels, for pixels from 0 to \
             1: means from 0 to 1, standard deviations above 0 ({LEAST_STD:e} or more) and at most 1"
        ))
    }
}

/// For people: four decimals are enough to tell one from another.
impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let short = |all: &[f64]| all.iter().map(|v| (v * 1e4).round() / 1e4).collect::<Vec<_>>();
        write!(f, "mean {:?} and std {:?}", short(&self.mean), short(&self.std))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_printed_to_four_decimals() {
        let of = Normalisation { mean: vec![0.504_396_2, 0.25], std: vec![0.233_829_84, 1.0] };
        assert_eq!(of.to_string(), "mean [0.5044, 0.25] and std [0.2338, 1.0]");
    }

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
            // Nothing is left of these as f32, or of what is divided by them.
            (&[0.5; 2], &[0.25, 1e-60]),
            (&[0.5; 2], &[0.25, 1e-40]),
            (&[0.5; 2], &[0.25, f64::NAN]),
        ] {
            let error = check(mean, std).expect_err("refused");
            assert!(
                error.contains("one number for each of 2 channels, for pixels from 0 to 1"),
                "{error}"
            );
        }
    }
}
