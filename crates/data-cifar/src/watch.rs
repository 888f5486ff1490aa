//! Looking on while pictures are decoded: a bar, a rate, and a stop on request.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use artifact::{Error, Result};
use cifar::import::{Planned, Watch};
use cifar::split;
use stage::{Progress, interrupt};

use crate::cli::SplitFlags;

/// The import of one source.
pub struct Watching<'a> {
    place: &'a str,
    flags: &'a SplitFlags,
    /// Whether the seed of the split chooses test images.
    seeds_test: bool,
    begun: RefCell<Option<(Progress, Instant)>>,
    images: Cell<usize>,
}

impl<'a> Watching<'a> {
    /// Of the source that errors call `place`.
    pub fn new(place: &'a str, flags: &'a SplitFlags, test_fraction: Option<f64>) -> Self {
        let (seeds_test, begun) = (test_fraction.is_some(), RefCell::new(None));
        Self { place, flags, seeds_test, begun, images: Cell::new(0) }
    }

    /// Refuses flags of the split where the source `has_validation` images of its own.
    pub fn check(&self, has_validation: bool) -> Result<()> {
        let seed = self.flags.has_seed() && !self.seeds_test;
        if has_validation && (self.flags.has_fraction() || seed) {
            return Err(Error::Config(format!(
                "{}: has a validation part of its own; leave out --validation and --split-seed",
                self.place
            )));
        }
        Ok(())
    }

    /// Says how fast it went, where pictures were decoded.
    pub fn tell(&self) {
        let Some((_, started)) = self.begun.take() else { return };
        let (seconds, images) = (started.elapsed().as_secs_f64(), self.images.get());
        tracing::info!(
            "{}: {images} pictures in {seconds:.1} s, {:.0} a second",
            self.place,
            images as f64 / seconds.max(1e-9)
        );
    }
}

impl Watch for Watching<'_> {
    fn planned(&self, planned: Planned) -> Result<()> {
        self.check(planned.validation.is_some())?;
        if planned.validation.is_none() {
            let split = self.flags.split();
            split::split(planned.train, split.validation, split.seed)?;
        }
        let images = planned.train + planned.validation.unwrap_or(0) + planned.test;
        let progress = Progress::new("importing", "images", images as u64);
        self.begun.replace(Some((progress, Instant::now())));
        Ok(())
    }

    fn decoded(&self, images: usize) -> Result<()> {
        if interrupt::asked() {
            let what = "interrupted while importing; nothing was kept: run the same command again";
            return Err(Error::Interrupted(what.to_owned()));
        }
        self.images.set(self.images.get() + images);
        if let Some((progress, _)) = &*self.begun.borrow() {
            progress.advance(images as u64, "");
        }
        Ok(())
    }
}
