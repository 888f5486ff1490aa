//! `reporter list`: the artifacts below a folder.

use std::path::{Path, PathBuf};

use artifact::{Error, Manifest, Result, file, names};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use serde::Serialize;

use crate::chain::Record;
use crate::format::{self, NONE};

/// How many folders deep it looks.
const DEPTH: usize = 8;
/// Columns of the table.
const WIDTH: usize = 80;
/// Columns of a path in any case.
const LEAST: usize = 12;

/// One artifact.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its folder, seen from the folder that was asked for.
    path: String,
    /// The stage that made it.
    stage: String,
    /// Its network.
    network: Option<String>,
    /// Pruned over prunable weights.
    sparsity: Option<f64>,
    /// Test accuracy.
    accuracy: Option<f64>,
    /// Bytes of its packed file.
    bytes: Option<u64>,
}

/// Every artifact below `folder`, by path. An invalid manifest is told of and left out.
pub fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    walk(folder, DEPTH, &mut found)?;
    found.sort();
    let mut entries = Vec::new();
    for path in found {
        match entry(folder, &path) {
            Ok(entry) => entries.push(entry),
            Err(e) => tracing::warn!("left out: {e}"),
        }
    }
    Ok(entries)
}

/// The entries as a table of 80 columns; a path too long for it lacks its middle.
pub fn table(entries: &[Entry]) -> String {
    let percent = |f: Option<f64>| f.map_or(NONE.to_owned(), |f| format::percent(f, 2));
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["Path", "Stage", "Network", "Sparsity", "Test acc."]);
    let room = room(entries);
    for e in entries {
        table.add_row([
            format::middle(&e.path, room),
            e.stage.clone(),
            e.network.clone().unwrap_or(NONE.to_owned()),
            percent(e.sparsity),
            percent(e.accuracy),
        ]);
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Columns that the others leave for the path.
fn room(entries: &[Entry]) -> usize {
    let widest = |of: fn(&Entry) -> &str, header: usize| {
        entries.iter().map(|e| of(e).chars().count()).max().unwrap_or(0).max(header)
    };
    let network = widest(|e| e.network.as_deref().unwrap_or(NONE), "Network".len());
    let others =
        [widest(|e| &e.stage, "Stage".len()), network, "100.00 %".len(), "Test acc.".len()];
    // Each of the five columns has a space on either side, and one stands between two columns.
    WIDTH.saturating_sub(others.iter().sum::<usize>() + 5 * 2 + 4).max(LEAST)
}

/// Hidden folders are unfinished artifacts; links could lead in circles.
fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if file::exists(&folder.join(names::MANIFEST))? {
        found.push(folder.to_owned());
    }
    if depth == 0 {
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Error::read(folder, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| Error::read(folder, &e))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.file_type().is_ok_and(|t| t.is_dir()) {
            walk(&entry.path(), depth - 1, found)?;
        }
    }
    Ok(())
}

fn entry(root: &Path, folder: &Path) -> Result<Entry> {
    let manifest = Manifest::read(folder)?;
    let record = Record::of(&manifest, folder)?;
    let bytes = if let Record::Deployment(d) = &record { Some(d.bytes) } else { None };
    let (sparsity, accuracy) = match record {
        Record::Training(t) | Record::SparseTraining(t) => {
            (Some(t.sparsity.of_prunable), Some(t.scores.test.accuracy))
        }
        Record::Pruning(p) => (Some(p.sparsity.of_prunable), None),
        Record::Finetuning(f) => (Some(f.sparsity.of_prunable), Some(f.tuned.test.accuracy)),
        Record::Deployment(d) => (Some(d.sparsity.of_prunable), Some(d.verification.packed)),
        Record::Dataset(_) | Record::Scan(_) | Record::Other => (None, None),
    };
    let path = folder.strip_prefix(root).unwrap_or(folder);
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Ok(Entry {
        path: path.to_string_lossy().into_owned(),
        stage: manifest.stage,
        network: manifest.network.map(|n| n.spec),
        sparsity,
        accuracy,
        bytes,
    })
}
