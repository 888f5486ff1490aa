//! From the bytes of a packed file to a network's tensors.

use std::path::Path;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use graph::Graph;
use graph::fold::{Folded, folded};
use graph::group::Group;
use rayon::prelude::*;
use sparsity::{Mask, Masks};

use crate::file::{self, Names, Opened};
use crate::places::Places;
use crate::record::{Entry, Positions};
use crate::stored::{self, Slot};
use crate::values::{self, Coded};
use crate::{Info, Options, planes};

/// What was in a packed file.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// The network.
    pub graph: Graph,
    /// What it was trained on.
    pub info: Info,
    /// How it was packed.
    pub options: Options,
    /// Norms kept: every tensor of the parameter table. Norms folded: `NODE.weight` and `NODE.bias`
    /// of each convolution and linear layer, and the norms that are behind none. Pruned values
    /// are +0.
    pub tensors: Tensors,
    /// The masks that the tensors obey; of weights alone where norms are folded.
    pub masks: Masks,
}

impl Packed {
    /// The convolution or linear layer of `group` with the norm behind it, whether the file has
    /// that folded or not. `group` is one of [`graph::group::Walk::Inference`].
    ///
    /// # Panics
    /// If the group's core is of another kind.
    pub fn layer(&self, group: &Group) -> Folded {
        if !self.options.fold {
            return folded(&self.graph, group, &self.tensors);
        }
        let of = |name: String| {
            let found = self.tensors.get(&name).and_then(Tensor::as_f32);
            found.expect("checked when the file was read").to_vec()
        };
        Folded {
            weight: of(stored::weight_of(&self.graph, group)),
            bias: of(stored::bias_of(&self.graph, group)),
        }
    }
}

/// Reads a packed file from `bytes`; `path` is named in errors.
///
/// # Errors
/// [`Error::Config`] where it is no packed file, or one of a newer format; [`Error::Integrity`]
/// where it was cut or changed, is of another network or says what cannot be;
/// [`Error::Resource`] where it unpacks to more than 4 GiB.
pub fn unpack(bytes: &[u8], path: &Path) -> Result<Packed> {
    let opened = file::open(bytes, path)?;
    let parts: Vec<_> = opened.slots.par_iter().map(|slot| part(slot, &opened)).collect();
    let (mut tensors, mut masks) = (Tensors::new(), Masks::default());
    for (slot, part) in opened.slots.iter().zip(parts) {
        let (tensor, mask) = part.map_err(|what| {
            Error::Integrity(format!("{}: tensor {}: {what}", path.display(), slot.name))
        })?;
        tensors.insert(slot.name.clone(), tensor);
        if let Some(mask) = mask {
            masks.insert(&slot.name, mask);
        }
    }
    let Opened { record, graph, .. } = opened;
    Ok(Packed { graph, info: record.info, options: record.options, tensors, masks })
}

fn part(slot: &Slot, opened: &Opened) -> Result<(Tensor, Option<Mask>), String> {
    match opened.record.tensors.get(&slot.name) {
        Some(entry) => coded(slot, entry, &opened.tensors),
        None => plain(slot, &opened.tensors[&slot.name]).map(|tensor| (tensor, None)),
    }
}

fn plain(slot: &Slot, tensor: &Tensor) -> Result<Tensor, String> {
    if tensor.shape != slot.shape || tensor.as_f32().is_none() {
        return Err(format!("shape {:?}; expected F32 of {:?}", tensor.shape, slot.shape));
    }
    Ok(tensor.clone())
}

fn coded(slot: &Slot, entry: &Entry, all: &Tensors) -> Result<(Tensor, Option<Mask>), String> {
    let len = slot.shape.iter().product();
    if entry.shape != slot.shape || entry.kept > len {
        return Err(format!(
            "{} values kept of shape {:?}; expected shape {:?}",
            entry.kept, entry.shape, slot.shape
        ));
    }
    let names = Names::of(&slot.name);
    let positions = bytes(all, &names.positions).unwrap_or_default();
    let places = Places::decoded(entry.positions, positions, (entry.kept, len))?;
    let (rows, parts) = (places.rows(slot.shape[0]), parts(entry, &names, all)?);
    let kept = values::decoded(entry.values, &parts, &rows)?;
    let mask = (entry.positions != Positions::None).then(|| places.mask());
    Ok((Tensor::f32(&slot.shape, places.scattered(kept)), mask))
}

/// Planes, scales and codebook, each of the size that `entry` needs.
fn parts(entry: &Entry, names: &Names, all: &Tensors) -> Result<Coded, String> {
    let sizes = values::plane_sizes(entry.values, entry.kept);
    let mut rest = bytes(all, &names.values).ok_or("the values are not U8")?;
    if entry.planes.len() != sizes.len() {
        return Err(format!("{} planes; expected {}", entry.planes.len(), sizes.len()));
    }
    let mut planes = vec![];
    for (size, stored) in sizes.into_iter().zip(&entry.planes) {
        let (plane, after) = rest.split_at_checked(*stored).ok_or("the values end too early")?;
        planes.push(planes::expanded(plane, size)?);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes behind the last plane", rest.len()));
    }
    let (scales, codebook) = values::side_sizes(entry.values, entry.shape[0]);
    Ok(Coded {
        planes,
        scales: scales.map(|size| floats(all, &names.scales, size)).transpose()?,
        codebook: codebook.map(|size| floats(all, &names.codebook, size)).transpose()?,
    })
}

fn bytes<'a>(all: &'a Tensors, name: &str) -> Option<&'a [u8]> {
    all.get(name).and_then(Tensor::as_u8)
}

fn floats(all: &Tensors, name: &str, size: usize) -> Result<Vec<f32>, String> {
    match all.get(name).and_then(Tensor::as_f32) {
        Some(values) if values.len() == size => Ok(values.to_vec()),
        _ => Err(format!("{name} are no F32 of {size} values")),
    }
}
