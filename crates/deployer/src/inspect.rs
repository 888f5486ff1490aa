//! `deployer inspect`: where a packed file's bytes go.

use std::path::PathBuf;

use anyhow::Result;
use artifact::file;
use artifact::size::thousands;
use clap::Args;
use packed::{Calibration, Inspection, Integers, Range, Row};
use serde::Serialize;
use stage::Common;

use crate::text::{bytes, shortened, table};

/// Flags of `deployer inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A packed file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// One tensor.
#[derive(Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    weights: u64,
    kept: u64,
    positions: String,
    position_bytes: u64,
    values: String,
    value_bytes: u64,
    bits_a_weight: f64,
}

/// The whole file; sizes in bytes.
#[derive(Serialize)]
struct Sizes {
    network: String,
    classes: Vec<String>,
    values: String,
    norms_folded: bool,
    /// What activations in integers stand for.
    #[serde(skip_serializing_if = "Option::is_none")]
    integers: Option<Integers>,
    tensors: Vec<Tensor>,
    header: u64,
    file: u64,
    dense: u64,
    ideal: u64,
    /// Of the unpacked tensors.
    gzip: u64,
    zstd: u64,
}

impl Inspect {
    /// Reads and prints.
    pub fn run(&self, common: &Common) -> Result<()> {
        let read = file::read(&self.file)?;
        let found = packed::inspect(&read, &self.file)?;
        let unpacked = packed::unpack(&read, &self.file)?;
        let dense = artifact::tensors::encode(&unpacked.tensors(), None)?;
        let packed = artifact::size::compressed(&dense)?;
        let sizes = Sizes {
            tensors: found.rows.iter().map(tensor).collect(),
            header: found.header(),
            ideal: found.ideal(),
            network: found.network.clone(),
            classes: found.info.classes.clone(),
            values: found.options.values.to_string(),
            norms_folded: found.options.fold,
            integers: found.integers.clone(),
            file: found.file,
            dense: found.dense,
            gzip: packed.0,
            zstd: packed.1,
        };
        if common.json {
            stage::print_json(&sizes);
        } else {
            stage::print(&text(&found, &sizes));
        }
        Ok(())
    }
}

fn tensor(row: &Row) -> Tensor {
    Tensor {
        name: row.name.clone(),
        shape: row.shape.clone(),
        weights: row.weights,
        kept: row.kept,
        positions: row.positions.to_string(),
        position_bytes: row.position_bytes,
        values: row.values.to_string(),
        value_bytes: row.value_bytes,
        bits_a_weight: row.bits(),
    }
}

/// Tensors that get a line of their own: the others are biases and norms.
fn is_weight(row: &Row) -> bool {
    row.shape.len() > 1
}

fn text(found: &Inspection, sizes: &Sizes) -> String {
    let line = |row: &Row| {
        vec![
            shortened(&row.name, 28),
            thousands(row.weights),
            format!("{:.1} %", 100.0 * row.kept as f64 / row.weights as f64),
            format!("{} {}", thousands(row.position_bytes), row.positions),
            thousands(row.value_bytes),
            format!("{:.2}", row.bits()),
        ]
    };
    let headings = ["tensor", "weights", "kept", "positions", "values", "bits/weight"];
    let small: Vec<&Row> = found.rows.iter().filter(|r| !is_weight(r)).collect();
    let rest = small.iter().map(|r| r.bytes()).sum();
    let norms = if sizes.norms_folded { "folded" } else { "kept" };
    let times = |size: u64| format!("{:.1} x", sizes.dense as f64 / size as f64);
    let totals = [
        ("this file", sizes.file),
        ("dense, f32", sizes.dense),
        ("ideal: the kept values alone, as f32", sizes.ideal),
        ("unpacked, through gzip", sizes.gzip),
        ("unpacked, through zstd", sizes.zstd),
    ];
    let totals = totals.map(|(name, size)| vec![name.to_owned(), bytes(size), times(size)]);
    let lines = [
        format!("{}, values {}, norms {norms}", sizes.network, sizes.values),
        String::new(),
        table(&headings, found.rows.iter().filter(|r| is_weight(r)).map(line)),
        String::new(),
        format!("{} other tensors: {}; header: {}", small.len(), bytes(rest), bytes(sizes.header)),
        String::new(),
        table(&["", "size", "smaller than dense"], totals),
    ];
    lines.into_iter().chain(found.integers.as_ref().map(ranges)).collect::<Vec<_>>().join("\n")
}

/// The range of each layer's activations.
fn ranges(integers: &Integers) -> String {
    let Calibration { images, rule } = &integers.calibration;
    let line = |(name, range): (&String, &Range)| {
        let (low, high) = range.bounds();
        vec![
            shortened(name, 28),
            format!("{low:.3}"),
            format!("{high:.3}"),
            format!("{:.3} %", range.saturated * 100.0),
            format!("{:.2} %", range.error * 100.0),
        ]
    };
    let headings = ["activations of", "least", "largest", "beyond", "error"];
    let lines = integers.ranges.iter().map(line);
    let equalised = match integers.equalised.len() {
        0 => String::new(),
        count => {
            format!("\n\nlayers equalised, channel by channel, for depthwise convolutions: {count}")
        }
    };
    format!(
        "\nactivations in 8 bits, ranges by {rule} on {images} training images:\n\n{}{equalised}",
        table(&headings, lines)
    )
}
