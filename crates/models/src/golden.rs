//! `models golden`: the network against reference numbers.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use artifact::Error;
use artifact::record::ImageShape;
use clap::Args;
use engine::device;
use engine::golden::Subject;
use graph::Shape;
use sparsity::Checkpoint;
use stage::Common;

use crate::npz;

/// Flags of `models golden`.
#[derive(Debug, Args)]
pub struct Golden {
    /// Golden file (JSON)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Checkpoint that the numbers were computed with (default: the network named in the file, with
    /// weights from a formula)
    #[arg(long, value_name = "DIR", requires = "images")]
    checkpoint: Option<PathBuf>,
    /// Images that the numbers were computed on: arrays train_input and labels
    #[arg(long, value_name = "FILE.npz", requires = "checkpoint")]
    images: Option<PathBuf>,
    #[command(flatten)]
    device: device::Flags,
}

impl Golden {
    /// Prints each difference; fails where one is beyond its tolerance.
    pub fn run(&self, common: &Common) -> Result<()> {
        let golden = engine::golden::Golden::read(&self.file)?;
        let subject = match (&self.checkpoint, &self.images) {
            (Some(checkpoint), Some(images)) => given(checkpoint, images)?,
            _ => golden.by_formula()?,
        };
        let all = golden.compare(subject, &self.device.in_f32()?)?;
        if common.json {
            stage::print_json(&all);
        } else {
            stage::print(&format!("{:<48}{:>12}{:>12}", golden.model, "difference", "tolerance"));
        }
        for d in all.iter().filter(|_| !common.json) {
            let mark = if d.holds() { "" } else { "  TOO LARGE" };
            stage::print(&format!("{:<48}{:>12.2e}{:>12.0e}{mark}", d.what, d.found, d.tolerance));
        }
        let beyond = all.iter().filter(|d| !d.holds()).count();
        if beyond > 0 {
            bail!("{}: {beyond} of {} numbers beyond tolerance", self.file.display(), all.len());
        }
        Ok(())
    }
}

/// The checkpoint in `folder`, and the images of `file`.
fn given(folder: &Path, file: &Path) -> Result<Subject> {
    let Checkpoint { graph, tensors, .. } = Checkpoint::open(folder)?;
    let [images, labels] = npz::read(file, ["train_input", "labels"])?;
    let Shape { c, h, w } = graph.images();
    let count = labels.values.len();
    images.check((file, "train_input"), &graph, &[count, c, h, w])?;
    labels.check((file, "labels"), &graph, &[count])?;
    let class = |label: &f32| {
        let class = (0..graph.classes()).find(|class| *class as f32 == *label);
        class.map(|class| class as u16).ok_or_else(|| {
            let (file, last) = (file.display(), graph.classes() - 1);
            Error::Config(format!("{file}: array labels holds {label}; expected 0 to {last}"))
        })
    };
    let labels = labels.values.iter().map(class).collect::<Result<_, Error>>()?;
    let shape = ImageShape { channels: c, height: h, width: w };
    Ok(Subject { graph, tensors, images: cifar::Batch { images: images.values, labels, shape } })
}
