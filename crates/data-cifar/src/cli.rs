//! The command line.

use std::path::PathBuf;

use cifar::import::{Labels, MOST_SIDE};
use cifar::store::{Normaliser, Split};
use cifar::{Fit, Fitting, Size};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;
use stage::{Common, OnlyWith, Produce, Values};

use crate::{fetch, inspect, make, preview};

/// Makes a dataset artifact: from CIFAR's or MNIST's files, NumPy arrays, folders of photos, or nothing
#[derive(Debug, Parser)]
#[command(name = "data-cifar")]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download the official archive, check it, import it
    Fetch(Fetch),
    /// Import a folder or an archive (.tar, .tar.gz, .zip): pictures (.jpg, .png, .webp, .bmp) as
    /// train/CLASS/*, test/CLASS/* and, for validation, val/CLASS/*, or as CLASS/* alone; CIFAR-10's or
    /// CIFAR-100's binary or Python files; IDX files (MNIST and its kin); NumPy arrays (.npz, .npy)
    Import(Import),
    /// Render the built-in set: ten classes of 32 x 32 colour images
    Synth(Synth),
    /// Check a dataset and print its parts, classes, statistics and digests
    Inspect(Inspect),
    /// Draw a contact sheet, a row a class, and print the rows' order
    Preview(Preview),
}

/// How the training images are split.
#[derive(Debug, Clone, Args)]
pub struct SplitFlags {
    /// Fraction of the training images set apart for validation [default: 0.1]
    #[arg(long)]
    validation: Option<f64>,
    /// Seed of that split [default: 42]
    #[arg(long)]
    split_seed: Option<u64>,
    /// Mean and deviation that pixels are normalised by
    #[arg(long, value_enum, default_value_t = NormaliseBy::Measured)]
    pub normalise: NormaliseBy,
}

/// The values of `--normalise`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NormaliseBy {
    /// Those of the training images
    Measured,
    /// The constants of torchvision for networks trained on ImageNet
    #[value(name = "imagenet")]
    ImageNet,
}

impl SplitFlags {
    /// The split that they ask for.
    pub fn split(&self) -> Split {
        let normaliser = match self.normalise {
            NormaliseBy::Measured => Normaliser::Measured,
            NormaliseBy::ImageNet => Normaliser::ImageNet,
        };
        let (validation, seed) = (self.validation.unwrap_or(0.1), self.split_seed.unwrap_or(42));
        Split { validation, seed, normaliser }
    }

    /// Whether a fraction was asked for.
    pub fn has_fraction(&self) -> bool {
        self.validation.is_some()
    }

    /// Whether a seed was asked for.
    pub fn has_seed(&self) -> bool {
        self.split_seed.is_some()
    }
}

/// `fetch`.
#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    pub produce: Produce,
    #[command(flatten)]
    pub split: SplitFlags,
    /// Where the archive is kept; one that is there already is not downloaded again
    #[arg(long, value_name = "FILE", default_value = "data/cifar-10-binary.tar.gz")]
    pub archive: PathBuf,
}

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The folder, its parent, or the archive
    pub source: PathBuf,
    #[command(flatten)]
    pub produce: Produce,
    #[command(flatten)]
    pub split: SplitFlags,
    /// Which labels of CIFAR-100 [default: fine]
    #[arg(long, value_enum)]
    pub labels: Option<LabelKind>,
    #[command(flatten)]
    pub pictures: PictureFlags,
}

/// What is made of the pictures of a source.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Pictures")]
pub struct PictureFlags {
    /// Resize every picture to this many pixels a side; without it all have to be of one size
    #[arg(long, value_name = "N|HEIGHTxWIDTH", value_parser = size)]
    side: Option<Size>,
    /// How a picture of another shape is made to fit
    #[arg(long, value_enum, default_value_t = FitName::Crop)]
    fit: FitName,
    /// Channels of the images: 3, or 1 for grey ones (ITU-R 601) [default: 3; arrays keep theirs]
    #[arg(long, value_name = "1|3", value_parser = channels)]
    pub channels: Option<usize>,
    /// Fraction of the training images set apart for testing, chosen by --split-seed
    #[arg(long, value_name = "FRACTION")]
    pub test_fraction: Option<f64>,
}

/// The values of `--fit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FitName {
    /// Resize the shorter side and take the middle, as torchvision does
    #[default]
    Crop,
    /// Resize the longer side and put black around it
    Pad,
    /// Resize each side by itself
    Stretch,
}

impl PictureFlags {
    /// The size that is asked for, and how it is reached.
    pub fn fitting(&self) -> Option<Fitting> {
        let fit = match self.fit {
            FitName::Crop => Fit::Crop,
            FitName::Pad => Fit::Pad,
            FitName::Stretch => Fit::Stretch,
        };
        self.side.map(|size| Fitting { size, fit })
    }

    /// The way in which that size is reached, where one is asked for.
    pub fn fit(&self) -> Option<FitName> {
        self.side.map(|_| self.fit)
    }
}

/// `N`, or `HEIGHTxWIDTH`.
fn size(text: &str) -> Result<Size, String> {
    let side = |text: &str| text.parse().ok().filter(|n| (1..=MOST_SIDE).contains(n));
    let size = match text.split_once('x') {
        Some((height, width)) => side(height).zip(side(width)),
        None => side(text).map(|side| (side, side)),
    };
    let size = size.map(|(height, width)| Size { height, width });
    size.ok_or_else(|| format!("expected N or HEIGHTxWIDTH, of 1 to {MOST_SIDE} pixels"))
}

fn channels(text: &str) -> Result<usize, String> {
    let known = text.parse().ok().filter(|n| [1, 3].contains(n));
    known.ok_or_else(|| "expected 1 (grey) or 3 (in colour)".to_owned())
}

/// The values of `--labels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LabelKind {
    /// Its hundred classes
    Fine,
    /// The twenty that these are grouped into
    Coarse,
}

impl From<LabelKind> for Labels {
    fn from(kind: LabelKind) -> Self {
        match kind {
            LabelKind::Fine => Self::Fine,
            LabelKind::Coarse => Self::Coarse,
        }
    }
}

/// `synth`.
#[derive(Debug, Args)]
pub struct Synth {
    #[command(flatten)]
    pub produce: Produce,
    #[command(flatten)]
    pub split: SplitFlags,
    /// Training images, validation included
    #[arg(long, default_value_t = 5000)]
    pub train: usize,
    /// Test images
    #[arg(long, default_value_t = 1000)]
    pub test: usize,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Folder of the dataset
    pub dataset: PathBuf,
}

/// `preview`.
#[derive(Debug, Args)]
pub struct Preview {
    /// Folder of the dataset
    pub dataset: PathBuf,
    /// The PNG file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Images a class
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub columns: u16,
    /// Which images
    #[arg(long, value_enum, default_value_t = PartName::Train)]
    pub part: PartName,
}

/// A part of a dataset.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PartName {
    /// Trained on.
    Train,
    /// Selected on.
    Validation,
    /// Read once.
    Test,
}

impl stage::Command for Cli {
    const SECTION: &'static str = "data-cifar";
    const ONLY_WITH: &'static [OnlyWith] = &[OnlyWith::new("fit", "side", Values::Given)];

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self) -> anyhow::Result<()> {
        match self.action {
            Action::Fetch(flags) => fetch::fetch(&self.common, &flags)?,
            Action::Import(flags) => make::import(&self.common, &flags)?,
            Action::Synth(flags) => make::synth(&self.common, &flags)?,
            Action::Inspect(flags) => inspect::inspect(&self.common, &flags)?,
            Action::Preview(flags) => preview::preview(&self.common, &flags)?,
        }
        Ok(())
    }
}
