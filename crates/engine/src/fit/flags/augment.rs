//! Flags of the training images.

use cifar::Augment;
use clap::{ArgAction, Args};
use serde::Serialize;

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
}

impl AugmentFlags {
    /// The augmentation, if there is any.
    pub(crate) fn get(&self) -> Option<Augment> {
        let (padding, flip) = (self.crop_padding, !self.no_flip);
        (padding > 0 || flip).then_some(Augment { padding, flip })
    }
}
