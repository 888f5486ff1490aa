//! `models predict`: the logits of every image, for other programs to compare.

use std::path::PathBuf;

use anyhow::Result;
use artifact::file;
use artifact::tensors::{self, Tensor, Tensors};
use cifar::{Dataset, Normalise};
use clap::{Args, ValueEnum};
use engine::{ClassFlags, Net, device};
use stage::Common;

use crate::foreign::{self, Fitting};

/// Flags of `models predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// Checkpoint folder, or a bare file (this needs --network)
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Which images
    #[arg(long, value_enum, default_value_t = PartName::Test)]
    part: PartName,
    /// The file: `logits` f32 (images x classes) and `labels`, u8 for up to 256 classes, else u16
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Overwrite --out
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    fitting: Fitting,
    #[command(flatten)]
    classes: ClassFlags,
    #[command(flatten)]
    device: device::Flags,
}

/// A part of a dataset.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    /// Trained on
    Train,
    /// Selected on
    Validation,
    /// Read once
    Test,
}

impl Predict {
    /// Runs the network over the part and writes the file.
    pub fn run(&self, common: &Common) -> Result<()> {
        file::vacant(&self.out, self.fresh)?;
        let data = Dataset::open(&self.data)?;
        let found = foreign::open(&self.checkpoint, &self.fitting, Some(data.info.classes.len()))?;
        let (graph, known) = (&found.graph, found.network());
        let data = self.classes.matched(graph, known, data, &self.data)?.data;
        let net = Net::load(found.graph, &found.tensors, &self.device.device()?)?;
        let part = match self.part {
            PartName::Train => &data.train,
            PartName::Validation => &data.validation,
            PartName::Test => &data.test,
        };
        let logits = engine::predict(&net, part, &Normalise::from(&data.info))?;
        let labels: Vec<u16> = (0..part.len()).map(|i| part.label(i)).collect();
        let shape = [part.len(), net.graph().classes()];
        let all: Tensors = [
            ("labels".to_owned(), cifar::labels_tensor(labels, shape[1])),
            ("logits".to_owned(), Tensor::f32(&shape, logits)),
        ]
        .into();
        tensors::write(&self.out, &all, None)?;
        if common.json {
            stage::print_json(&serde_json::json!({ "file": self.out, "images": part.len() }));
        } else {
            stage::print(&self.out.display().to_string());
        }
        Ok(())
    }
}
