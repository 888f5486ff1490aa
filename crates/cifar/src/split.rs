//! Which training images are set apart for validation, and for testing.

use artifact::{Error, Result};

/// Purpose of the split's random stream.
const PURPOSE: &str = "cifar/split";

/// The images of one part, by their number in the training file, ascending.
pub type Indices = Vec<usize>;

/// Purpose of the stream that chooses test images.
const TEST: &str = "cifar/test";

/// (training, validation) indices of `n` images, `fraction` of them (rounded) for validation.
///
/// A pure function of its arguments: every stage that opens a dataset splits it alike.
pub fn split(n: usize, fraction: f64, seed: u64) -> Result<(Indices, Indices)> {
    divide(n, fraction, seed, PURPOSE).ok_or_else(|| refused("validation", n, fraction))
}

/// (training, test) indices of `n` images, `fraction` of them (rounded) for testing; likewise.
pub fn test(n: usize, fraction: f64, seed: u64) -> Result<(Indices, Indices)> {
    divide(n, fraction, seed, TEST).ok_or_else(|| refused("test fraction", n, fraction))
}

fn refused(what: &str, n: usize, fraction: f64) -> Error {
    Error::Config(format!(
        "{what} {fraction} of {n} training images leaves a part empty; expected a fraction between 0 and \
         1 with at least one image on either side"
    ))
}

/// (kept, held) indices; none where either would be empty.
fn divide(n: usize, fraction: f64, seed: u64, purpose: &str) -> Option<(Indices, Indices)> {
    let held = (n as f64 * fraction).round();
    if !(fraction > 0.0 && fraction < 1.0 && held >= 1.0 && held < n as f64) {
        return None;
    }
    let mut set_apart = seed::permutation(seed, purpose, 0, n);
    let mut kept = set_apart.split_off(held as usize);
    kept.sort_unstable();
    set_apart.sort_unstable();
    Some((kept, set_apart))
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
        assert_ne!(test(1000, 0.1, 42).expect("splits").0, train, "a choice of its own");
    }

    #[test]
    fn empty_parts_are_refused() {
        for (n, f) in [(10, 0.0), (10, 1.0), (10, 0.04), (1, 0.5), (10, f64::NAN), (10, -0.5)] {
            assert_eq!(split(n, f, 1).expect_err("refused").exit_code(), 3, "{n} {f}");
        }
    }
}
