//! `models export`: a checkpoint as a file for other programs.

use std::path::PathBuf;

use anyhow::Result;
use artifact::tensors::{self, Tensors};
use artifact::{Error, file, record};
use cifar::origin;
use clap::{Args, ValueEnum};
use stage::Common;

use crate::foreign::{self, Fitting, Found};
use crate::npz;

/// Flags of `models export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Checkpoint folder, or a bare file (this needs --network)
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: PathBuf,
    /// The file: .safetensors (PyTorch's names; loads there with strict=True), .npz or .onnx
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Dataset whose class names, mean and standard deviation an .onnx file records where the checkpoint
    /// has none (default: the one that the checkpoint was trained on, if it is still there)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Names of the tensors in .safetensors and .npz
    #[arg(long, value_enum, default_value_t = Names::Own)]
    names: Names,
    /// Overwrite --out
    #[arg(long)]
    fresh: bool,
    /// Number of classes of a bare file (default: 10, or those of the graph's text)
    #[arg(long)]
    classes: Option<usize>,
    #[command(flatten)]
    fitting: Fitting,
}

/// Whose names tensors have in an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    /// Those of the checkpoint
    Own,
    /// torchvision's, for a network that it has
    Torchvision,
}

impl Export {
    /// Reads, encodes and writes.
    pub fn run(&self, common: &Common) -> Result<()> {
        let ending = self.out.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !["safetensors", "npz", "onnx"].contains(&ending) {
            return Err(Error::Config(format!(
                "--out {}: expected a name that ends in .safetensors, .npz or .onnx",
                self.out.display()
            ))
            .into());
        }
        if self.data.is_some() && ending != "onnx" {
            return Err(Error::Config(format!(
                "--data: has no effect on a .{ending} file; an .onnx file notes the images' mean, \
                 deviation and class names"
            ))
            .into());
        }
        file::vacant(&self.out, self.fresh)?;
        let mut found = foreign::open(&self.checkpoint, &self.fitting, self.classes)?;
        if self.names == Names::Torchvision {
            found.tensors = torchvisions(&found, ending)?;
        }
        match ending {
            "safetensors" => tensors::write(&self.out, &found.tensors, None)?,
            "npz" => file::write(&self.out, &npz::encode(&found.tensors)?)?,
            _ => file::write(&self.out, &self.onnx(&found)?)?,
        }
        if common.json {
            stage::print_json(&serde_json::json!({ "file": self.out }));
        } else {
            stage::print(&self.out.display().to_string());
        }
        Ok(())
    }

    fn onnx(&self, found: &Found) -> Result<Vec<u8>> {
        let named = self.data.clone();
        let data = named.map_or_else(|| origin::of(&self.checkpoint), |d| Ok(Some(d)))?;
        let describe = |folder: PathBuf| {
            let described = origin::describe(&folder)?;
            engine::check_channels(&found.graph, described.shape, &folder).map(|()| described)
        };
        let data = data.map(describe).transpose()?;
        let of_data = || data.as_ref().map(record::Dataset::normalisation);
        let normalisation = found.normalisation.clone().or_else(of_data);
        if normalisation.is_none() {
            tracing::warn!(
                "the images' mean and deviation are not known: the file does not note them (--data)"
            );
        }
        let classes = match &data {
            Some(data) if found.class_names.is_empty() => &data.classes,
            _ => &found.class_names,
        };
        let images =
            normalisation.as_ref().map(|n| onnx::Images { mean: &n.mean, std: &n.std, classes });
        let (graph, tensors) = (&found.graph, &found.tensors);
        Ok(onnx::encode(&onnx::Model { graph, tensors, images })?)
    }
}

/// The tensors of `found` under torchvision's names, for a file of this ending.
fn torchvisions(found: &Found, ending: &str) -> Result<Tensors> {
    if ending == "onnx" {
        let text = "--names torchvision: an .onnx file keeps its own names; leave it out";
        return Err(Error::Config(text.to_owned()).into());
    }
    let renamed = found.graph.torchvision().map(|names| {
        let tensors = found.tensors.iter();
        tensors.map(|(name, tensor)| (names.of(name), tensor.clone())).collect()
    });
    renamed.ok_or_else(|| {
        let spec = found.graph.name();
        Error::Config(format!("--names torchvision: torchvision has no {spec}; leave it out"))
            .into()
    })
}
