//! The outer shape of a packed file: safetensors, the record, the digest over both.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use artifact::manifest::Network;
use artifact::tensors::{self, Tensor, Tensors, Values};
use artifact::{Error, Result, digest};
use graph::Graph;
use rayon::prelude::*;

use crate::check;
use crate::planes::expanded;
use crate::record::{Entry, Record};
use crate::stored::{Slot, slots};
use crate::values::side_sizes;

/// The tensor that holds the digest, as text.
pub(crate) const DIGEST: &str = "sha256";
/// The tensor that holds the graph's text, as it is or as a zstd frame. No node's name holds a colon.
pub(crate) const GRAPH: &str = ":graph";
/// The longest text of a graph.
const MOST_TEXT: usize = 16 << 20;

/// A packed file whose digest and table are right; no value is decoded yet.
pub(crate) struct Opened {
    pub record: Record,
    pub graph: Graph,
    /// What the file must hold, in the order of the network.
    pub slots: Vec<Slot>,
    /// What it holds.
    pub tensors: Tensors,
}

/// The bytes of a file with `record` and `tensors`, and the digest over them.
pub(crate) fn sealed(text: &str, mut tensors: Tensors) -> Result<Vec<u8>> {
    let digest = digest(text, &tensors).into_bytes();
    tensors.insert(DIGEST.to_owned(), Tensor::u8(&[digest.len()], digest));
    tensors::encode(&tensors, Some(text))
}

/// SHA-256 of the text, a line feed, and a line `NAME TYPE [SHAPE] SHA-256` for each other tensor.
fn digest(text: &str, tensors: &Tensors) -> String {
    let all: Vec<_> = tensors.iter().filter(|(name, _)| *name != DIGEST).collect();
    let lines: Vec<String> = all
        .into_par_iter()
        .map(|(name, t)| match &t.values {
            Values::U8(v) => format!("{name} U8 {:?} {}\n", t.shape, digest::of_bytes(v)),
            Values::F32(v) => {
                let bytes: Vec<u8> = v.iter().flat_map(|x| x.to_le_bytes()).collect();
                format!("{name} F32 {:?} {}\n", t.shape, digest::of_bytes(&bytes))
            }
            Values::U16(v) => {
                let bytes: Vec<u8> = v.iter().flat_map(|x| x.to_le_bytes()).collect();
                format!("{name} U16 {:?} {}\n", t.shape, digest::of_bytes(&bytes))
            }
        })
        .collect();
    let mut summed = format!("{text}\n");
    for line in lines {
        write!(summed, "{line}").expect("writing to a String cannot fail");
    }
    digest::of_bytes(summed.as_bytes())
}

/// Names of the tensors that the file may hold for the coded tensor `name`.
pub(crate) struct Names {
    pub positions: String,
    pub values: String,
    pub scales: String,
    pub codebook: String,
}

impl Names {
    pub fn of(name: &str) -> Self {
        let part = |suffix: &str| format!("{name}:{suffix}");
        Self {
            positions: part("positions"),
            values: part("values"),
            scales: part("scales"),
            codebook: part("codebook"),
        }
    }

    /// Those that `entry` needs.
    pub fn needed(self, entry: &Entry) -> Vec<String> {
        let (scales, codebook) =
            side_sizes(entry.values, entry.shape.first().copied().unwrap_or(1));
        let all = [
            Some(self.values),
            entry.positions.are_stored().then_some(self.positions),
            scales.map(|_| self.scales),
            codebook.map(|_| self.codebook),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Reads the outer shape; `path` is named in errors.
///
/// # Errors
/// [`Error::Config`] where it is no packed file, or one of a newer format; [`Error::Integrity`]
/// where it was cut or changed, or is of another network; [`Error::Resource`] where its network has
/// too many values or too large activations.
pub(crate) fn open(bytes: &[u8], path: &Path) -> Result<Opened> {
    let bad = |what: String| Error::Integrity(format!("{}: {what}", path.display()));
    let (tensors, note) = tensors::decode(bytes, path)?;
    let text = note.ok_or_else(|| {
        Error::Config(format!(
            "{}: no packed file: it has no metadata of the name secateur; expected one that \
             `deployer pack` made",
            path.display()
        ))
    })?;
    let record = Record::parse(&text, path)?;
    let found = tensors.get(DIGEST).and_then(Tensor::as_u8).unwrap_or_default();
    if found != digest(&text, &tensors).as_bytes() {
        return Err(bad(
            "the digest differs: the file was changed; restore it, or pack again".into()
        ));
    }
    let text = text_of(&record, &tensors).map_err(bad)?;
    let network = Network { graph: text, ..record.network.clone() };
    let graph = Graph::of(&network).map_err(|e| within(path, e))?;
    check::size(&graph).map_err(|e| within(path, e))?;
    check::info(&record.info, &graph).map_err(bad)?;
    if let Some(integers) = &record.integers {
        integers.check(&graph, record.options).map_err(bad)?;
    }
    let slots = slots(&graph, record.options.fold);
    complete(&record, &slots, &tensors).map_err(bad)?;
    Ok(Opened { record, graph, slots, tensors })
}

/// The text of the graph, where the file holds one.
fn text_of(record: &Record, tensors: &Tensors) -> Result<Option<String>, String> {
    let Some(bytes) = record.graph_bytes else { return Ok(None) };
    if bytes > MOST_TEXT {
        return Err(format!("a graph of {bytes} bytes; expected {MOST_TEXT} at most"));
    }
    let stored = tensors.get(GRAPH).and_then(Tensor::as_u8);
    let stored = stored.ok_or_else(|| format!("tensor {GRAPH} is missing, or not U8"))?;
    let text = expanded(stored, bytes).map_err(|what| format!("tensor {GRAPH}: {what}"))?;
    String::from_utf8(text).map(Some).map_err(|e| format!("tensor {GRAPH}: {e}"))
}

/// `error` with the file that it is of.
fn within(path: &Path, error: Error) -> Error {
    match error {
        Error::Resource(what) => Error::Resource(format!("{}: {what}", path.display())),
        other => Error::Integrity(format!("{}: {other}", path.display())),
    }
}

/// Whether the file holds a tensor for each part of each slot, and nothing else.
fn complete(record: &Record, slots: &[Slot], tensors: &Tensors) -> Result<(), String> {
    let mut expected = BTreeSet::from([DIGEST.to_owned()]);
    expected.extend(record.graph_bytes.map(|_| GRAPH.to_owned()));
    for slot in slots {
        match record.tensors.get(&slot.name) {
            Some(entry) => expected.extend(Names::of(&slot.name).needed(entry)),
            None => drop(expected.insert(slot.name.clone())),
        }
    }
    let known = |name: &String| slots.iter().any(|slot| slot.name == *name);
    if let Some(name) = record.tensors.keys().find(|name| !known(name)) {
        return Err(format!("tensor {name} is described: the network has none of that name"));
    }
    if let Some(name) = expected.iter().find(|name| !tensors.contains_key(*name)) {
        return Err(format!("tensor {name} is missing"));
    }
    match tensors.keys().find(|name| !expected.contains(*name)) {
        Some(name) => Err(format!("tensor {name} is surplus: nothing describes it")),
        None => Ok(()),
    }
}
