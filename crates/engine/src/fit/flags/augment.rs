//! Flags of the training images.

use artifact::Error;
use cifar::Augment;
use clap::{ArgAction, Args};
use serde::Serialize;
use stage::{OnlyWith, Values};

use super::number::probability;

/// How training images vary from epoch to epoch.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Training images")]
pub struct AugmentFlags {
    /// Black pixels around an image before a random crop; 0 crops nothing
    #[arg(long, default_value_t = 4)]
    pub crop_padding: usize,
    /// Do not mirror half of the images
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = ArgAction::Set)]
    pub no_flip: bool,
    /// Blank a square of this many pixels around a random one, to the images' mean; 0 blanks none
    #[arg(long, default_value_t = 0, value_name = "SIZE")]
    pub cutout: usize,
    /// Blank a random rectangle of 2 % to 33 % of the image with this probability, likewise
    #[arg(long, default_value_t = 0.0, value_name = "P", value_parser = probability)]
    pub random_erasing: f64,
}

/// Acts on the images of a recalibration alone, where nothing is trained.
const fn recalibrates(flag: &'static str) -> OnlyWith {
    OnlyWith::new(flag, "recalibration-images", Values::NotZero)
}

impl AugmentFlags {
    /// The rules of a command that augments images for recalibration alone.
    pub const RECALIBRATE: &[OnlyWith] = &[
        recalibrates("crop-padding"),
        recalibrates("no-flip"),
        recalibrates("cutout"),
        recalibrates("random-erasing"),
    ];

    /// Refuses what leaves nothing of an image of `side` pixels.
    ///
    /// # Errors
    /// `Config` with the flag.
    pub(super) fn check(&self, side: usize) -> artifact::Result<()> {
        for (flag, size) in [("--crop-padding", self.crop_padding), ("--cutout", self.cutout)] {
            if size >= side {
                return Err(Error::Config(format!(
                    "{flag} {size}: blanks whole images of {side} pixels a side; expected less than that"
                )));
            }
        }
        Ok(())
    }

    /// The augmentation, if there is any.
    pub(crate) fn get(&self) -> Option<Augment> {
        let augment = Augment {
            padding: self.crop_padding,
            flip: !self.no_flip,
            cutout: self.cutout,
            erasing: self.random_erasing,
        };
        (augment != Augment::default()).then_some(augment)
    }
}
