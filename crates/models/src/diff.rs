//! `models diff`: which tensors of two checkpoints differ, and by how much.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::{Error, names};
use clap::Args;
use comfy_table::{Table, presets};
use graph::Graph;
use pytorch::{Numbers, Selection, Slot, StateDict};
use serde::Serialize;
use stage::Common;

use crate::foreign::slots;

/// Flags of `models diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// Checkpoint folder, .safetensors or .pth
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Checkpoint folder, .safetensors or .pth
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Key of the state_dict in bare files, dots going deeper (default: found by its content)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// A tensor that is not the same in both.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    tensor: String,
    /// `only in A`, `only in B`, `shapes [..] and [..]`, or empty.
    note: String,
    /// Values that differ.
    values: usize,
    of: usize,
    largest: f64,
    /// Norm of the difference over norm of A's.
    relative: f64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    tensors: usize,
    differ: Vec<Row>,
    /// Zeros over values, of A and of B.
    sparsity: [f64; 2],
}

impl Diff {
    /// Compares and prints.
    pub fn run(&self, common: &Common) -> Result<()> {
        let read = |path| read(path, self.key.as_deref());
        let (a, b) = (read(&self.a)?, read(&self.b)?);
        let (of_a, of_b) = (a.table(), b.table());
        let (a, b) = (a.tensors(of_b, &self.a)?, b.tensors(of_a, &self.b)?);
        let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        let differ = names.iter().filter_map(|n| row(n, a.get(*n), b.get(*n))).collect();
        let report = Report { tensors: names.len(), differ, sparsity: [&a, &b].map(zeros) };
        if common.json {
            stage::print_json(&report);
        } else {
            stage::print(&text(&report));
        }
        Ok(())
    }
}

/// One of the two that are compared.
enum Side {
    /// A checkpoint: its tensors and its table.
    Folder(Tensors, Vec<Slot>),
    /// A bare file.
    Bare(StateDict),
}

fn read(path: &Path, key: Option<&str>) -> Result<Side> {
    if !artifact::file::is_folder(path)? {
        return Ok(Side::Bare(pytorch::read(path, &Selection { key, ..Selection::default() })?));
    }
    let manifest = artifact::Manifest::read(path)?;
    let (tensors, _) = tensors::read(&manifest.verified(path, names::MODEL)?)?;
    let graph = manifest.network.as_ref().map(Graph::of).transpose()?;
    Ok(Side::Folder(tensors, graph.as_ref().map(slots).unwrap_or_default()))
}

impl Side {
    /// The table of a checkpoint.
    fn table(&self) -> Option<Vec<Slot>> {
        if let Self::Folder(_, table) = self { Some(table.clone()) } else { None }
    }

    /// Its tensors; those of a bare file under the names of `other`'s table or, where that is none,
    /// under its own without wrappers.
    fn tensors(self, other: Option<Vec<Slot>>, path: &Path) -> Result<Tensors> {
        let state = match self {
            Self::Folder(tensors, _) => return Ok(tensors),
            Self::Bare(state) => state,
        };
        let table = other.unwrap_or_else(|| pytorch::own_table(&state));
        let fitted = pytorch::fit(&state, &table)
            .map_err(|what| Error::Integrity(format!("{}: {what}", path.display())))?;
        for note in [state.notes.clone(), fitted.notes()].concat() {
            tracing::info!("{}: {note}", path.display());
        }
        let surplus = fitted.surplus.into_iter().map(|s| s.array);
        let floats = surplus.filter_map(|a| match a.numbers {
            Numbers::Floats(values) => Some((a.name, Tensor::f32(&a.shape, values))),
            _ => None,
        });
        Ok(fitted.tensors.into_iter().chain(floats).collect())
    }
}

fn row(name: &str, a: Option<&Tensor>, b: Option<&Tensor>) -> Option<Row> {
    let of = |t: &Tensor| t.shape.iter().product();
    let apart = |note: String, of| {
        Some(Row {
            tensor: name.into(),
            note,
            values: of,
            of,
            largest: f64::NAN,
            relative: f64::NAN,
        })
    };
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) if a.shape == b.shape => (a, b),
        (Some(a), Some(b)) => {
            return apart(format!("shapes {:?} and {:?}", a.shape, b.shape), of(a));
        }
        (Some(a), None) => return apart("only in A".into(), of(a)),
        (_, b) => return apart("only in B".into(), b.map_or(0, of)),
    };
    let pairs = || a.as_f32().unwrap_or_default().iter().zip(b.as_f32().unwrap_or_default());
    let values = pairs().filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    let off = |(a, b): (&f32, &f32)| f64::from(*a) - f64::from(*b);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let size = norm(&mut pairs().map(|(a, _)| f64::from(*a)));
    (values > 0).then(|| Row {
        tensor: name.into(),
        note: String::new(),
        values,
        of: of(a),
        largest: pairs().map(off).fold(0.0, |m, d| m.max(d.abs())),
        relative: norm(&mut pairs().map(off)) / size.max(f64::MIN_POSITIVE),
    })
}

fn zeros(tensors: &Tensors) -> f64 {
    let all = || tensors.values().filter_map(Tensor::as_f32).flatten();
    all().filter(|v| **v == 0.0).count() as f64 / all().count().max(1) as f64
}

fn text(report: &Report) -> String {
    let [a, b] = report.sparsity.map(|s| s * 100.0);
    let zeros = format!("zeros: {a:.2} % of A, {b:.2} % of B");
    if report.differ.is_empty() {
        return format!("{} tensors, all the same bit for bit\n{zeros}", report.tensors);
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["tensor", "values that differ", "largest", "relative"]);
    for r in &report.differ {
        let number = |v: f64| if v.is_nan() { "-".to_owned() } else { format!("{v:.3e}") };
        let values =
            if r.note.is_empty() { format!("{} of {}", r.values, r.of) } else { r.note.clone() };
        table.add_row([r.tensor.clone(), values, number(r.largest), number(r.relative)]);
    }
    format!("{table}\n{} of {} tensors differ; {zeros}", report.differ.len(), report.tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_differs() {
        let t = |values: &[f32]| Tensor::f32(&[values.len()], values.to_vec());
        assert_eq!(row("x", Some(&t(&[1.0, 2.0])), Some(&t(&[1.0, 2.0]))), None);
        let found = row("x", Some(&t(&[3.0, 4.0])), Some(&t(&[3.0, 3.0]))).expect("differs");
        assert_eq!((found.values, found.of, found.largest, found.relative), (1, 2, 1.0, 0.2));
        // Zero and minus zero are equal numbers and other bits.
        assert_eq!(row("x", Some(&t(&[0.0])), Some(&t(&[-0.0]))).map(|r| r.values), Some(1));
        let note = |a: Option<&Tensor>, b: Option<&Tensor>| {
            row("x", a, b).map(|r| r.note).unwrap_or_default()
        };
        assert_eq!(note(Some(&t(&[1.0])), None), "only in A");
        assert_eq!(note(None, Some(&t(&[1.0]))), "only in B");
        assert_eq!(note(Some(&t(&[1.0])), Some(&t(&[1.0, 2.0]))), "shapes [1] and [2]");
    }
}
