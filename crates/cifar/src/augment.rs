//! Random crop and flip, and what else is asked for of an image.

/// Random crop out of the image with a black border, a random left-right flip, and then, on the
/// normalised image, blank patches. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Augment {
    /// Width of the border in pixels; the crop has the image's own size. 0: no crop.
    pub padding: usize,
    /// Whether to flip every other image (probability 1/2).
    pub flip: bool,
    /// Side in pixels of the square that is blanked around a random pixel; 0: none.
    pub cutout: usize,
    /// Probability that a random rectangle is blanked.
    pub erasing: f64,
}

/// Augmentation at some time of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Augmented {
    /// What is done.
    pub augment: Augment,
    /// Seed of all draws.
    pub seed: u64,
    /// The epoch: each has draws of its own.
    pub epoch: usize,
}

impl Augmented {
    /// The number of the draws of image `index`.
    pub(crate) fn draw(&self, index: usize) -> u64 {
        (self.epoch as u64) << 32 | index as u64
    }
}

/// Where one image is cropped, and whether it is flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pose {
    /// Row of the crop's corner in the bordered image.
    pub y: usize,
    /// Column of the crop's corner in the bordered image.
    pub x: usize,
    /// Width of the border.
    pub padding: usize,
    /// Whether the crop is flipped.
    pub flip: bool,
}

impl Pose {
    /// The image as it is.
    pub(crate) const STILL: Self = Self { y: 0, x: 0, padding: 0, flip: false };
}

impl Augment {
    /// The pose of an image whose draws are numbered `draw`: a pure function of that and `seed`.
    pub(crate) fn pose(&self, seed: u64, draw: u64) -> Pose {
        let mut random = seed::stream(seed, "train/augment", draw);
        let offsets = 2 * self.padding + 1;
        Pose {
            y: random.below(offsets),
            x: random.below(offsets),
            padding: self.padding,
            flip: self.flip && random.chance(0.5),
        }
    }
}
