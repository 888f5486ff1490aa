//! `deployer pack`: a checkpoint as one small file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::manifest::{Network, Output};
use artifact::{Error, Manifest, Normalisation, file, names};
use cifar::{Dataset, origin};
use clap::{Args, ValueEnum};
use engine::ClassFlags;
use packed::{Contents, Encode, Info, Options, Values};
use serde::Serialize;
use sparsity::Checkpoint;
use stage::Common;

use crate::calibrate::{self, Activations};
use crate::text::bytes;

/// Flags of `deployer pack`.
#[derive(Debug, Args)]
pub struct Pack {
    /// Artifact of finetuner, pruner, trainer or models import
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    how: How,
    /// Dataset whose class names, mean and standard deviation the file records where the checkpoint has
    /// none (default: the one that the checkpoint was trained on)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    classes: ClassFlags,
    /// Overwrite --out
    #[arg(long)]
    fresh: bool,
}

/// How a checkpoint is packed.
#[derive(Debug, Clone, Copy, Args, Serialize)]
pub struct How {
    /// How the kept weights are stored
    #[arg(long, value_parser = stage::named::<Values>(), default_value = "f32")]
    values: Values,
    /// How their positions are stored
    #[arg(long, value_parser = stage::named::<Encode>(), default_value = "auto")]
    encode: Encode,
    /// Whether batch norms are kept as they are, or folded into the weights before them: a little
    /// smaller, and the checkpoint then comes back as one of equal answers, not of equal bits
    /// [default: keep with f32, else fold]
    #[arg(long, value_enum)]
    norms: Option<Norms>,
    #[command(flatten)]
    #[serde(flatten, skip_serializing_if = "calibrate::Flags::is_floats")]
    pub integers: calibrate::Flags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Norms {
    /// As they are
    Keep,
    /// Into the weights
    Fold,
}

impl How {
    /// As the file's format has it.
    pub fn options(self) -> Options {
        let Self { values, encode, .. } = self;
        let usual = if values == Values::F32 { Norms::Keep } else { Norms::Fold };
        Options { values, encode, fold: self.norms.unwrap_or(usual) == Norms::Fold }
    }
}

/// What was written.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
    bytes: u64,
    dense_bytes: u64,
    times_smaller: f64,
}

impl Pack {
    /// Packs, writes and prints where it stands.
    pub fn run(&self, common: &Common) -> Result<()> {
        file::vacant(&self.out, self.fresh)?;
        let checkpoint = Checkpoint::open(&self.checkpoint)?;
        let dense = weights_bytes(&checkpoint.manifest);
        let network = known(&checkpoint, self.data.as_deref(), self.classes)?;
        let images = self.calibration(&checkpoint)?;
        let mut contents = contents(checkpoint, network)?;
        if let Some(data) = images {
            contents.integers = Some(self.how.integers.integers(&contents, &data.train)?);
        }
        let packed = packed::pack(&contents, &self.how.options())?;
        file::write(&self.out, &packed)?;
        let (size, ratio) = (packed.len() as u64, dense as f64 / packed.len() as f64);
        tracing::info!(
            "{}; the checkpoint's weights take {}, {ratio:.1} times as many",
            bytes(size),
            bytes(dense)
        );
        let out = self.out.clone();
        if common.json {
            let (bytes, dense_bytes, times_smaller) = (size, dense, ratio);
            stage::print_json(&Written { file: out, bytes, dense_bytes, times_smaller });
        } else {
            stage::print(&out.display().to_string());
        }
        Ok(())
    }
}

impl Pack {
    /// The dataset on which ranges of activations are found, where these are to be integers.
    fn calibration(&self, checkpoint: &Checkpoint) -> artifact::Result<Option<Dataset>> {
        if self.how.integers.activations == Activations::F32 {
            return Ok(None);
        }
        let named = self.data.clone();
        let folder = named.map_or_else(|| origin::of(&checkpoint.folder), |d| Ok(Some(d)))?;
        let Some(folder) = folder else {
            return Err(Error::Config(format!(
                "--activations int8: the history of {} leads to no dataset; name one with --data, whose \
                 training images tell the ranges of activations",
                checkpoint.folder.display()
            )));
        };
        let (graph, known) = (&checkpoint.graph, checkpoint.network());
        Ok(Some(self.classes.matched(graph, known, Dataset::open(&folder)?, &folder)?.data))
    }
}

/// The checkpoint's weights file.
fn weights(manifest: &Manifest) -> &Output {
    let model = manifest.outputs.iter().find(|o| o.file == names::MODEL);
    model.expect("a checkpoint that was opened has weights")
}

/// Bytes of the checkpoint's weights file.
pub fn weights_bytes(manifest: &Manifest) -> u64 {
    weights(manifest).bytes
}

/// SHA-256 of the checkpoint's weights file.
pub fn weights_digest(manifest: &Manifest) -> &str {
    &weights(manifest).sha256
}

/// What is known of the checkpoint's images: what it says itself, else what `data` says, or else the dataset
/// that it was trained on.
fn known(
    checkpoint: &Checkpoint,
    data: Option<&Path>,
    classes: ClassFlags,
) -> artifact::Result<Network> {
    let named = data.map(Path::to_owned);
    let folder = named.map_or_else(|| origin::of(&checkpoint.folder), |d| Ok(Some(d)))?;
    let known = checkpoint.network();
    let Some(folder) = folder else { return Ok(known) };
    classes.described(&checkpoint.graph, known, &origin::describe(&folder)?, &folder)
}

/// What is to be packed: the checkpoint with the class names and the normalisation of `network`.
///
/// # Errors
/// [`Error::Config`] where these are not known.
pub fn contents(checkpoint: Checkpoint, network: Network) -> artifact::Result<Contents> {
    let classes = network.class_names;
    let Some(Normalisation { mean, std }) = network.normalisation.filter(|_| !classes.is_empty())
    else {
        return Err(Error::Config(format!(
            "{}: does not say its class names and normalisation, and its history leads to no \
             dataset that is still unchanged; name one with --data: the file records both",
            checkpoint.folder.display()
        )));
    };
    let digest = weights_digest(&checkpoint.manifest).to_owned();
    let info = Info { classes, mean, std, checkpoint: digest };
    let Checkpoint { graph, tensors, masks, .. } = checkpoint;
    Ok(Contents { graph, tensors, masks, info, integers: None })
}
