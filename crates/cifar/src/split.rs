//! Which training images are set apart for validation.

use artifact::{Error, Result};

/// Purpose of the split's random stream.
const PURPOSE: &str = "cifar/split";

/// The images of one part, by their number in the training file, ascending.
pub type Indices = Vec<usize>;

/// (training, validation) indices of `n` images, `fraction` of them (rounded) for validation.
///
/// A pure function of its arguments: every stage that opens a dataset splits it alike.
pub fn split(n: usize, fraction: f64, seed: u64) -> Result<(Indices, Indices)> {
    let held = (n as f64 * fraction).round();
    if !(fraction > 0.0 && fraction < 1.0 && held >= 1.0 && held < n as f64) {
        return Err(Error::Config(format!(
            "validation {fraction} of {n} training images leaves a part empty; expected a \
             fraction between 0 and 1 with at least one image on either side"
        )));
    }
    let mut validation = seed::permutation(seed, PURPOSE, 0, n);
    let mut train = validation.split_off(held as usize);
    train.sort_unstable();
    validation.sort_unstable();
    Ok((train, validation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_whole() {
        let (train, validation) = split(1000, 0.1, 42).expect("splits");
        assert_eq!((train.len(), validation.len()), (900, 100));
        let mut all = [train.clone(), validation].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert_eq!(split(1000, 0.1, 42).expect("splits").0, train);
        assert_ne!(split(1000, 0.1, 43).expect("splits").0, train);
    }

    #[test]
    fn empty_parts_are_refused() {
        for (n, f) in [(10, 0.0), (10, 1.0), (10, 0.04), (1, 0.5), (10, f64::NAN), (10, -0.5)] {
            assert_eq!(split(n, f, 1).expect_err("refused").exit_code(), 3, "{n} {f}");
        }
    }
}
