//! `models eval`: accuracy and sparsity of any checkpoints.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::record::{Scores, Sparsity};
use artifact::tensors::{self, Tensors};
use artifact::{Error, names};
use cifar::Dataset;
use clap::Args;
use comfy_table::{Table, presets};
use engine::{AugmentFlags, Net, Recalibration, Views, device};
use graph::Graph;
use serde::Serialize;
use sparsity::{Checkpoint, Masks};
use stage::Common;

/// Flags of `models eval`.
#[derive(Debug, Args)]
pub struct Eval {
    /// Checkpoint folders, folders of these, or .safetensors files (these need --network)
    #[arg(required = true, value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Network of bare .safetensors files
    #[arg(long, value_name = "NAME[@WIDTH]")]
    network: Option<String>,
    /// Their height and width in pixels; 0 takes the dataset's
    #[arg(long, default_value_t = 0, value_name = "PIXELS")]
    side: usize,
    /// Recalibrate norm statistics on this many training images first; 0 keeps them
    #[arg(long, default_value_t = 0)]
    recalibration_images: usize,
    /// Score the mean of the logits of each image and of its mirror image
    #[arg(long)]
    test_flip: bool,
    #[command(flatten)]
    augment: AugmentFlags,
    /// Where to compute
    #[arg(long, value_enum, default_value = "cpu")]
    device: device::Choice,
}

/// What one checkpoint scored.
#[derive(Serialize)]
struct Row {
    checkpoint: String,
    network: String,
    scores: Scores,
    sparsity: Sparsity,
}

impl Eval {
    /// Evaluates and prints a line a checkpoint.
    pub fn run(&self, common: &Common) -> Result<()> {
        let data = Dataset::open(&self.data)?;
        let found: Vec<PathBuf> =
            self.checkpoints.iter().map(|p| below(p)).collect::<Result<Vec<_>>>()?.concat();
        let rows = found.iter().map(|p| self.row(p, &data)).collect::<Result<Vec<_>>>()?;
        if common.json {
            stage::print_json(&rows);
        } else {
            stage::print(&text(&rows));
        }
        Ok(())
    }

    fn row(&self, path: &Path, data: &Dataset) -> Result<Row> {
        let (graph, tensors, masks) = self.load(path, data)?;
        engine::check_fit(&graph, data, &self.data)?;
        let net = Net::load(graph, &tensors, &self.device.open()?)?;
        let (images, augment) = (self.recalibration_images, &self.augment);
        Recalibration { images, augment, seed: 0 }.apply(&net, data)?;
        let views = if self.test_flip { Views::Mirrored } else { Views::Plain };
        Ok(Row {
            checkpoint: path.display().to_string(),
            network: net.graph().spec().to_string(),
            scores: engine::scores_as(views, &net, data)?,
            sparsity: sparsity::count(net.graph(), &tensors, &masks),
        })
    }

    fn load(&self, path: &Path, data: &Dataset) -> Result<(Graph, Tensors, Masks)> {
        if path.is_dir() {
            let c = Checkpoint::open(path)?;
            return Ok((c.graph, c.tensors, c.masks));
        }
        let Some(network) = &self.network else {
            let what = format!("{}: a bare file needs --network NAME", path.display());
            return Err(Error::Config(what).into());
        };
        let side = if self.side == 0 { data.info.side } else { self.side };
        let graph = Graph::build(network, data.info.classes.len(), side)?;
        let (tensors, _) = tensors::read(path)?;
        tensors::check_table(&tensors, &graph.table(), path)?;
        Ok((graph, tensors, Masks::default()))
    }
}

/// `path` itself if it is a checkpoint or a file, else the checkpoints right below it, sorted.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.exists() {
        let what = "no such file or folder; expected a checkpoint or a folder of them";
        return Err(Error::Missing(format!("{}: {what}", path.display())).into());
    }
    if !path.is_dir() || path.join(names::MANIFEST).exists() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|e| Error::read(path, &e))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.join(names::MANIFEST).exists() && p.join(names::MODEL).exists())
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(Error::Missing(format!("{}: no checkpoint here", path.display())).into());
    }
    Ok(found)
}

fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["checkpoint", "validation %", "test %", "zeros %", "non-zero"]);
    for r in rows {
        table.add_row([
            r.checkpoint.clone(),
            format!("{:.2}", r.scores.validation.accuracy * 100.0),
            format!("{:.2}", r.scores.test.accuracy * 100.0),
            format!("{:.2}", r.sparsity.of_all * 100.0),
            r.sparsity.nonzero.to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_missing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let check = |name: &str, expected: &str| {
            let error = below(&dir.path().join(name)).expect_err("nothing there");
            assert_eq!(error.downcast_ref::<Error>().map(Error::exit_code), Some(4), "{error}");
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        };
        check("nope", "no such file or folder");
        check(".", "no checkpoint here");
        let file = dir.path().join("bare.safetensors");
        artifact::file::write(&file, b"").expect("writes");
        assert_eq!(below(&file).expect("a file"), [file]);
    }
}
