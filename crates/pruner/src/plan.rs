//! `pruner plan`: a first plan from a sensitivity scan.

use std::fmt::Write as _;
use std::path::Path;

use artifact::record::{Scan, ScanRow};
use artifact::{Error, Manifest, Result, file, nearest, pattern};
use serde::Serialize;
use sparsity::weights;
use stage::Common;

use crate::cli::{Beta, PlanFrom};

/// A line of the plan.
#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    layer: String,
    ratio: f64,
    reason: String,
}

/// Writes the plan that `flags` ask for and prints its path.
pub fn run(flags: &PlanFrom, common: &Common) -> anyhow::Result<()> {
    let (network, scan) = read(&flags.from_scan)?;
    check_patterns(&flags.beta, &scan)?;
    let one = |layer: &String| match flags.beta.as_slice() {
        [] => entry(layer, &scan, flags.max_drop),
        betas => further(layer, &scan, betas),
    };
    let entries: Vec<Entry> = scan.layers.iter().map(one).collect();
    write(&text((&network, &scan), &entries, flags), flags)?;
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

/// Refuses a pattern that names none of the scanned layers, or none that no later one names.
fn check_patterns(betas: &[Beta], scan: &Scan) -> Result<()> {
    let names = || scan.layers.iter().map(String::as_str);
    let fits = |b: &Beta, name: &str| pattern::matches(&b.pattern, name);
    for (i, beta) in betas.iter().enumerate() {
        let later = |name: &str| betas[i + 1..].iter().any(|b| fits(b, name));
        if names().any(|name| fits(beta, name)) && names().filter(|n| fits(beta, n)).all(later) {
            return Err(Error::Config(format!(
                "--beta {}={}: has no effect: later ones name all of its layers; put it behind them",
                beta.pattern, beta.value
            )));
        }
    }
    match betas.iter().find(|b| !names().any(|name| pattern::matches(&b.pattern, name))) {
        None => Ok(()),
        Some(idle) => Err(Error::Config(format!(
            "--beta {}={}: the scan has no such layer{}; * stands for any text",
            idle.pattern,
            idle.value,
            nearest::hint(&idle.pattern, names())
        ))),
    }
}

/// The present sparsity of `layer` and a share of what is left more, and the sum in words.
fn further(layer: &str, scan: &Scan, betas: &[Beta]) -> Entry {
    let rows = || scan.rows.iter().filter(|r| r.layer == layer);
    let (before, all) = rows().next().map_or((0, 1), |r| (r.before, r.weights.max(1)));
    let old = before as f64 / all as f64;
    let beta = betas.iter().rfind(|b| pattern::matches(&b.pattern, layer)).map_or(0.0, |b| b.value);
    let whole = old + (1.0 - old) * beta;
    // Rounded, a plan may fall below what is pruned already, which cannot be undone.
    let rounded = four_decimals(whole);
    let ratio = if weights(rounded, all) < before { whole } else { rounded };
    let nearest = rows().min_by(|a, b| {
        let off = |r: &ScanRow| (r.ratio - beta).abs();
        off(a).total_cmp(&off(b))
    });
    let lost = nearest.map_or_else(|| "not scanned".to_owned(), drop);
    let reason = format!("{} + (1 - {0}) x {beta}; {lost}", four_decimals(old));
    Entry { layer: layer.to_owned(), ratio, reason }
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
    format!("{:.2} points lost at {}", row.drop * 100.0, four_decimals(share(row)))
}

fn four_decimals(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

fn text((network, scan): (&str, &Scan), entries: &[Entry], flags: &PlanFrom) -> String {
    let accuracy = scan.baseline.accuracy * 100.0;
    let mut text = if flags.beta.is_empty() {
        format!(
            "# The share of each layer's weights to prune, for {network}: a first plan from a scan.\n\
             # Each layer alone may lose {:.2} points of the validation accuracy of {accuracy:.2} %.\n",
            flags.max_drop * 100.0
        )
    } else {
        format!(
            "# The share of each layer's weights to prune, for {network}: what the scanned network\n\
             # had pruned, and a share of what it had left. Its validation accuracy: {accuracy:.2} %.\n"
        )
    };
    text.push_str("layers:\n");
    for entry in entries {
        writeln!(text, "  # {}\n  {}: {}", entry.reason, entry.layer, entry.ratio)
            .expect("writing to a String cannot fail");
    }
    text
}

/// Writes `text` unless a plan that says something else stands there.
fn write(text: &str, flags: &PlanFrom) -> Result<()> {
    let out = &flags.out;
    if file::exists(out)? && !flags.fresh && file::read_text(out)? != text {
        return Err(Error::Config(format!(
            "{}: another plan stands here, perhaps edited; choose another --out or overwrite it \
             with --fresh",
            out.display()
        )));
    }
    file::write(out, text.as_bytes())
}
