//! Weights kept from early in a training: where a pruned network may be rewound to (Frankle et al.
//! 2019).

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use artifact::tensors::{self, Tensors};
use artifact::{Error, digest, file, names};
use graph::Graph;
use serde::{Serialize, Serializer};

use super::Run;

/// A moment of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// After so many steps; 0 is before the first.
    Steps(usize),
    /// After so many epochs.
    Epochs(usize),
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, of): (_, fn(usize) -> Self) = match text.strip_suffix("epochs") {
            Some(digits) => (digits, Self::Epochs),
            None => match text.strip_suffix("epoch") {
                Some(digits) => (digits, Self::Epochs),
                None => (text, Self::Steps),
            },
        };
        digits.parse().map(of).map_err(|_| "expected steps, such as 500, or epochs, such as 1epoch")
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Epochs(1) => f.write_str("1epoch"),
            Self::Epochs(epochs) => write!(f, "{epochs}epochs"),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Moment {
    /// In steps, where an epoch has `steps`.
    pub(super) fn steps(self, steps: usize) -> usize {
        match self {
            Self::Steps(all) => all,
            Self::Epochs(epochs) => epochs.saturating_mul(steps),
        }
    }
}

/// What [`names::EARLY`] holds.
pub struct Early {
    /// Every value of the network.
    pub tensors: Tensors,
    /// Steps that had been taken.
    pub step: usize,
}

impl Early {
    /// Reads the file of the artifact in `folder`, which must fit `graph`.
    pub fn read(folder: &Path, graph: &Graph) -> artifact::Result<Self> {
        let manifest = artifact::Manifest::read(folder)?;
        if !manifest.has(names::EARLY) {
            return Err(Error::Config(format!(
                "{}: keeps no early weights; train with --save-at to have them",
                folder.display()
            )));
        }
        let path = manifest.verified(folder, names::EARLY)?;
        let (tensors, note) = tensors::read(&path)?;
        tensors::check_table(&tensors, &graph.table(), &path)?;
        sparsity::check_sound(graph, &tensors, &path)?;
        let step = note.as_deref().and_then(|n| n.strip_prefix("step ")?.parse().ok());
        let step = step.ok_or_else(|| {
            Error::Integrity(format!("{}: does not say its step", path.display()))
        })?;
        Ok(Self { tensors, step })
    }
}

impl Run<'_> {
    /// Refuses a moment behind the end of the run.
    pub(super) fn check_early(&self) -> artifact::Result<()> {
        let all = self.steps_an_epoch() * self.fit.flags.epochs;
        match self.fit.early.map(|m| (m, m.steps(self.steps_an_epoch()))) {
            Some((moment, steps)) if steps > all => Err(Error::Config(format!(
                "--save-at {moment}: the training ends after {all} steps; choose an earlier one"
            ))),
            _ => Ok(()),
        }
    }

    /// Keeps the weights if this is the moment.
    pub(super) fn keep_early(&mut self) -> anyhow::Result<()> {
        let steps = self.steps_done();
        if self.fit.early.is_some_and(|m| m.steps(self.steps_an_epoch()) == steps) {
            let (note, path) = (format!("step {steps}"), self.fit.job.path(names::EARLY));
            tensors::write(&path, &self.net.tensors()?, Some(&note))?;
            self.position.early = Some(digest::of_file(&path)?.0);
        }
        Ok(())
    }

    /// Refuses weights that an interrupted run kept and that changed since.
    pub(super) fn check_kept_early(&self) -> artifact::Result<()> {
        let Some(expected) = &self.position.early else { return Ok(()) };
        let path = self.fit.job.path(names::EARLY);
        let found = if file::exists(&path)? { Some(digest::of_file(&path)?.0) } else { None };
        if found.as_ref() == Some(expected) {
            return Ok(());
        }
        Err(Error::Integrity(format!(
            "{}: {}; the saved state recorded sha256 {expected}",
            path.display(),
            found.map_or_else(|| "is missing".to_owned(), |found| format!("has sha256 {found}"))
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        let check = |text: &str, expected: usize| {
            let moment: Moment = text.parse().expect("a moment");
            assert_eq!((moment.steps(100), moment.to_string().as_str()), (expected, text));
        };
        check("0", 0);
        check("500", 500);
        check("1epoch", 100);
        check("3epochs", 300);
        for text in ["", "-1", "epoch", "1.5", "2 epochs", "5steps"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
