//! `models eval`: accuracy and sparsity of any checkpoints.

use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::record::{Method, Scores, Sparsity};
use artifact::{Error, file, names};
use cifar::Dataset;
use clap::Args;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use engine::{AugmentFlags, ClassFlags, Device, Net, Recalibration, Views, device};
use serde::Serialize;
use stage::Common;

use crate::foreign::{self, Fitting};

/// Flags of `models eval`.
#[derive(Debug, Args)]
pub struct Eval {
    /// Checkpoint folders, folders of these, or .safetensors and .pth files (these need --network)
    #[arg(required = true, value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
    /// Folder of a dataset made by data-cifar
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    fitting: Fitting,
    /// Recalibrate norm statistics on this many training images first; 0 keeps them
    #[arg(long, default_value_t = 0)]
    recalibration_images: usize,
    /// Score the mean of the logits of each image and of its mirror image
    #[arg(long)]
    test_flip: bool,
    #[command(flatten)]
    augment: AugmentFlags,
    #[command(flatten)]
    classes: ClassFlags,
    #[command(flatten)]
    device: device::Flags,
}

/// What one checkpoint scored.
#[derive(Serialize)]
struct Row {
    checkpoint: String,
    network: String,
    scores: Scores,
    sparsity: Sparsity,
    method: Option<Method>,
}

impl Eval {
    /// Evaluates and prints a line a checkpoint.
    pub fn run(&self, common: &Common) -> Result<()> {
        let data = Dataset::open(&self.data)?;
        let found: Vec<PathBuf> =
            self.checkpoints.iter().map(|p| below(p)).collect::<Result<Vec<_>>>()?.concat();
        let device = self.device.device()?;
        let rows =
            found.iter().map(|p| self.row(p, (&data, &device))).collect::<Result<Vec<_>>>()?;
        if common.json {
            stage::print_json(&rows);
        } else {
            stage::print(&text(&rows));
        }
        Ok(())
    }

    fn row(&self, path: &Path, (data, device): (&Dataset, &Device)) -> Result<Row> {
        let found = foreign::open(path, &self.fitting, Some(data.info.classes.len()))?;
        found.notes.iter().for_each(|note| tracing::info!("{}: {note}", path.display()));
        let (graph, known) = (&found.graph, found.network());
        let data = &self.classes.matched(graph, known, data.clone(), &self.data)?.data;
        let net = Net::load(found.graph, &found.tensors, device)?;
        let (images, augment) = (self.recalibration_images, &self.augment);
        Recalibration { images, augment, seed: 0 }.apply(&net, data)?;
        let views = if self.test_flip { Views::Mirrored } else { Views::Plain };
        Ok(Row {
            checkpoint: path.display().to_string(),
            network: net.graph().name().to_owned(),
            scores: engine::scores_as(views, &net, data)?,
            sparsity: sparsity::count(net.graph(), &found.tensors, &found.masks),
            method: found.method,
        })
    }
}

/// Folders below a given one in which checkpoints are looked for.
const DEPTH: usize = 4;

/// `path` itself if it is a checkpoint or a file, else the checkpoints below it, sorted.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if !file::exists(path)? {
        let what = "no such file or folder; expected a checkpoint or a folder of them";
        return Err(Error::Missing(format!("{}: {what}", path.display())).into());
    }
    if !file::is_folder(path)? || file::exists(&path.join(names::MANIFEST))? {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = vec![];
    collect(path, DEPTH, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(Error::Missing(format!("{}: no checkpoint here", path.display())).into());
    }
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::read(folder, &e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::read(folder, &e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if file::exists(&path.join(names::MANIFEST))? {
            found.extend(file::exists(&path.join(names::MODEL))?.then_some(path));
        } else if depth > 1 && file::is_folder(&path)? {
            collect(&path, depth - 1, found)?;
        }
    }
    Ok(())
}

/// Test accuracy of the network with the fewest zeros: what others are compared with.
fn baseline(rows: &[Row]) -> Option<f64> {
    let zeros = |r: &&Row| r.sparsity.parameters - r.sparsity.nonzero;
    (rows.len() > 1).then(|| rows.iter().min_by_key(zeros).map(|r| r.scores.test.accuracy))?
}

/// Bytes that all checkpoints' paths begin with, up to a slash: what a table need not repeat.
fn shared(rows: &[Row]) -> usize {
    let [first, rest @ ..] = rows else { return 0 };
    if rest.is_empty() {
        return 0;
    }
    let ends = first.checkpoint.match_indices('/').map(|(at, _)| at + 1);
    let all =
        |end: &usize| rest.iter().all(|r| r.checkpoint.starts_with(&first.checkpoint[..*end]));
    ends.take_while(all).last().unwrap_or(0)
}

/// A method in a few words; single weights go without saying.
fn words(method: &Method) -> String {
    let Method { score, structure, allocation, schedule } = method;
    let structure = if structure == "weight" { String::new() } else { format!(", {structure}") };
    format!("{score}, {allocation}{structure}, {schedule}")
}

fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(80);
    table.set_header(["checkpoint", "zeros %", "validation %", "test %", "drop", "pruned by"]);
    let (baseline, shared) = (baseline(rows), shared(rows));
    for r in rows {
        let test = r.scores.test.accuracy;
        table.add_row([
            r.checkpoint[shared..].to_owned(),
            format!("{:.2}", r.sparsity.of_all * 100.0),
            format!("{:.2}", r.scores.validation.accuracy * 100.0),
            format!("{:.2}", test * 100.0),
            baseline.map_or_else(String::new, |b| format!("{:.2}", (b - test) * 100.0)),
            r.method.as_ref().map_or_else(String::new, words),
        ]);
    }
    // A path is not cut; the last column gives way.
    for column in table.column_iter_mut().take(5) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    match baseline {
        Some(_) => format!("{table}\ndrop: test points below the network with the fewest zeros"),
        None => table.to_string(),
    }
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
