//! `inspect`: what a dataset holds, after all of it was checked.

use artifact::manifest::Output;
use artifact::{Manifest, Result, record};
use cifar::Dataset;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use stage::Common;

use crate::cli::Inspect;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Printed {
    dataset: record::Dataset,
    seed: u64,
    files: Vec<Output>,
}

/// Opens the dataset, which verifies it, and prints it.
pub fn inspect(common: &Common, flags: &Inspect) -> Result<()> {
    let dataset = Dataset::open(&flags.dataset)?.info;
    let Manifest { seed, outputs: files, .. } = Manifest::read(&flags.dataset)?;
    let printed = Printed { dataset, seed, files };
    if common.json {
        stage::print_json(&printed);
    } else {
        stage::print(&text(&printed));
    }
    Ok(())
}

fn text(printed: &Printed) -> String {
    let d = &printed.dataset;
    let mut lines = vec![
        format!("{}, {}, {} classes", d.source, d.shape, d.classes.len()),
        format!(
            "{} training, {} validation, {} test images ({})",
            d.images.train,
            d.images.validation,
            d.images.test,
            split(d)
        ),
        classes(d).trim_fmt(),
        statistics(d).trim_fmt(),
    ];
    lines.extend(cifar::told(&d.passed_over));
    for f in &printed.files {
        lines.push(format!("{}  {} bytes  sha256 {}", f.file, f.bytes, f.sha256));
    }
    lines.join("\n")
}

/// Where the validation images come from.
fn split(d: &record::Dataset) -> String {
    if d.validation == 0.0 {
        return "validation as in the source".to_owned();
    }
    format!("validation {}, split seed {}", d.validation, d.split_seed)
}

fn classes(d: &record::Dataset) -> Table {
    let mut table = table(&["label", "class", "train + validation", "test"]);
    for (label, c) in d.counts.iter().enumerate() {
        table.add_row([
            label.to_string(),
            c.class.clone(),
            c.train.to_string(),
            c.test.to_string(),
        ]);
    }
    align_right(&mut table, &[0, 2, 3]);
    table
}

fn statistics(d: &record::Dataset) -> Table {
    let mut table = table(&["channel", "mean", "std"]);
    for (c, (mean, std)) in d.mean.iter().zip(&d.std).enumerate() {
        let name = match d.mean.len() {
            1 => "grey".to_owned(),
            3 => ["red", "green", "blue"][c].to_owned(),
            _ => c.to_string(),
        };
        table.add_row([name, format!("{mean:.6}"), format!("{std:.6}")]);
    }
    align_right(&mut table, &[1, 2]);
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        let column = table.column_mut(column).expect("a column of the header");
        column.set_cell_alignment(CellAlignment::Right);
    }
}
