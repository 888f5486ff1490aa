//! `pruner plan`: a first plan from a sensitivity scan.

use std::fmt::Write as _;
use std::path::Path;

use artifact::record::{Scan, ScanRow};
use artifact::{Error, Manifest, Result, file};
use serde::Serialize;
use sparsity::weights;
use stage::Common;

use crate::cli::PlanFrom;

/// A line of the plan.
#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    layer: String,
    ratio: f64,
    reason: String,
}

/// Writes the plan that `flags` ask for and prints its path.
pub fn run(flags: &PlanFrom, common: &Common) -> anyhow::Result<()> {
    let (network, scan) = read(&flags.scan)?;
    let entries: Vec<Entry> =
        scan.layers.iter().map(|layer| entry(layer, &scan, flags.max_drop)).collect();
    write(&text(&network, &scan, &entries, flags.max_drop), flags)?;
    if common.json {
        stage::print_json(&entries);
    } else {
        stage::print(&flags.out.display().to_string());
    }
    Ok(())
}

fn read(folder: &Path) -> Result<(String, Scan)> {
    let manifest = Manifest::read(folder)?;
    if manifest.stage != "scanner" {
        return Err(Error::Config(format!(
            "{}: made by {}; expected an artifact of the scanner",
            folder.display(),
            manifest.stage
        )));
    }
    let network = manifest.network.as_ref().map_or("?", |n| &n.spec).to_owned();
    Ok((network, manifest.result(folder)?))
}

/// The largest ratio of `layer` whose drop is at most `max_drop`, and why.
fn entry(layer: &str, scan: &Scan, max_drop: f64) -> Entry {
    let mut rows: Vec<&ScanRow> = scan.rows.iter().filter(|r| r.layer == layer).collect();
    rows.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    let chosen = rows.iter().rposition(|r| r.drop <= max_drop);
    let reason = match (chosen, rows.as_slice()) {
        (_, []) => "not scanned".to_owned(),
        (None, [first, ..]) => format!("{}, the smallest ratio scanned", drop(first)),
        (Some(i), rows) => match rows.get(i + 1) {
            None => format!("{}, the largest ratio scanned", drop(rows[i])),
            Some(next) => format!("{}; {}", drop(rows[i]), drop(next)),
        },
    };
    Entry { layer: layer.to_owned(), ratio: chosen.map_or(0.0, |i| share(rows[i])), reason }
}

/// The share of all the layer's weights that `row` had pruned: what a plan speaks of.
///
/// A scan's ratio is of what was left, so the two differ where the scanned checkpoint was pruned.
fn share(row: &ScanRow) -> f64 {
    if weights(row.ratio, row.weights) == row.pruned {
        row.ratio
    } else {
        row.pruned as f64 / row.weights as f64
    }
}

fn drop(row: &ScanRow) -> String {
    let four_decimals = (share(row) * 1e4).round() / 1e4;
    format!("{:.2} points lost at {four_decimals}", row.drop * 100.0)
}

fn text(network: &str, scan: &Scan, entries: &[Entry], max_drop: f64) -> String {
    let mut text = format!(
        "# The share of each layer's weights to prune, for {network}: a first plan from a scan.\n\
         # Each layer alone may lose {:.2} points of the validation accuracy of {:.2} %.\n\
         layers:\n",
        max_drop * 100.0,
        scan.baseline.accuracy * 100.0
    );
    for entry in entries {
        writeln!(text, "  # {}\n  {}: {}", entry.reason, entry.layer, entry.ratio)
            .expect("writing to a String cannot fail");
    }
    text
}

/// Writes `text` unless a plan that says something else stands there.
fn write(text: &str, flags: &PlanFrom) -> Result<()> {
    let out = &flags.out;
    if out.exists() && !flags.fresh && file::read_text(out)? != text {
        return Err(Error::Config(format!(
            "{}: another plan stands here, perhaps edited; choose another --out or overwrite it \
             with --fresh",
            out.display()
        )));
    }
    file::write(out, text.as_bytes())
}
