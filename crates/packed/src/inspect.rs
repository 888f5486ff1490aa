//! Where the bytes of a packed file go.

use std::path::Path;

use artifact::Result;
use artifact::tensors::{Tensor, Values as Numbers};

use crate::file::{self, Names, Opened};
use crate::record::Positions;
use crate::stored::Slot;
use crate::{Info, Integers, Options, Values};

/// Bytes of one tensor of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// How many values it has.
    pub weights: u64,
    /// How many of them are kept.
    pub kept: u64,
    /// How their positions are stored.
    pub positions: Positions,
    /// Bytes of the positions.
    pub position_bytes: u64,
    /// How the kept values are stored.
    pub values: Values,
    /// Bytes of the values, scales and codebook included.
    pub value_bytes: u64,
}

/// Bytes of a packed file.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Name of the network, such as `resnet18@0.25`.
    pub network: String,
    /// What it was trained on.
    pub info: Info,
    /// How it was packed.
    pub options: Options,
    /// What activations in integers stand for; none where they are floats.
    pub integers: Option<Integers>,
    /// Each tensor, in the order of the network.
    pub rows: Vec<Row>,
    /// Bytes of the file.
    pub file: u64,
    /// Bytes of every value of the parameter table as f32: a dense checkpoint without its header.
    pub dense: u64,
}

impl Row {
    /// Bytes of it all.
    pub fn bytes(&self) -> u64 {
        self.position_bytes + self.value_bytes
    }

    /// Bits a weight, kept or not.
    pub fn bits(&self) -> f64 {
        if self.weights == 0 { 0.0 } else { 8.0 * self.bytes() as f64 / self.weights as f64 }
    }

    /// Bytes of the kept values as f32, if positions cost nothing.
    pub fn ideal(&self) -> u64 {
        4 * self.kept
    }
}

impl Inspection {
    /// Bytes of header, metadata, graph and digest.
    pub fn header(&self) -> u64 {
        self.file - self.rows.iter().map(Row::bytes).sum::<u64>()
    }

    /// Bytes of all kept values as f32, if positions cost nothing.
    pub fn ideal(&self) -> u64 {
        self.rows.iter().map(Row::ideal).sum()
    }

    /// How many times smaller than the dense checkpoint the file is.
    pub fn ratio(&self) -> f64 {
        self.dense as f64 / self.file as f64
    }
}

/// Tells where the bytes of a packed file go; `path` is named in errors. Values are not decoded.
///
/// # Errors
/// As [`crate::unpack()`], of the file's outer shape.
pub fn inspect(bytes: &[u8], path: &Path) -> Result<Inspection> {
    let opened = file::open(bytes, path)?;
    let rows = opened.slots.iter().map(|slot| row(slot, &opened)).collect();
    Ok(Inspection {
        network: opened.record.network.spec.clone(),
        info: opened.record.info.clone(),
        options: opened.record.options,
        integers: opened.record.integers.clone(),
        rows,
        file: bytes.len() as u64,
        dense: opened.graph.params().iter().map(|p| 4 * p.count() as u64).sum(),
    })
}

fn row(slot: &Slot, opened: &Opened) -> Row {
    let weights = slot.shape.iter().product::<usize>() as u64;
    let mut row = Row {
        name: slot.name.clone(),
        shape: slot.shape.clone(),
        weights,
        kept: weights,
        positions: Positions::None,
        position_bytes: 0,
        values: Values::F32,
        value_bytes: 0,
    };
    let bytes = |name: &String| opened.tensors.get(name).map_or(0, bytes);
    let Some(entry) = opened.record.tensors.get(&slot.name) else {
        return Row { value_bytes: bytes(&slot.name), ..row };
    };
    let names = Names::of(&slot.name);
    row.kept = entry.kept as u64;
    (row.positions, row.values) = (entry.positions, entry.values);
    row.position_bytes = bytes(&names.positions);
    row.value_bytes = [names.values, names.scales, names.codebook].iter().map(bytes).sum();
    row
}

fn bytes(tensor: &Tensor) -> u64 {
    match &tensor.values {
        Numbers::U8(v) => v.len() as u64,
        Numbers::F32(v) => 4 * v.len() as u64,
        Numbers::U16(v) => 2 * v.len() as u64,
    }
}
