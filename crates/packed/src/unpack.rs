//! From the bytes of a packed file to a network's tensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use graph::fold::{Folded, folded};
use graph::group::Group;
use graph::{Graph, Param, Role};
use rayon::prelude::*;
use sparsity::{Masks, check_values};

use crate::file::{self, Names, Opened};
use crate::places::Places;
use crate::record::{Entry, Positions, Record};
use crate::stored::{self, FoldedNames, Slot};
use crate::values::{self, Coded, Kept};
use crate::{Info, Integers, Options, planes};

/// What was in a packed file.
///
/// Values stay in memory as few as they are kept; each tensor is laid out when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// The network.
    pub graph: Graph,
    /// What it was trained on.
    pub info: Info,
    /// How it was packed.
    pub options: Options,
    /// What activations in integers stand for; none where they are floats.
    pub integers: Option<Integers>,
    parts: BTreeMap<String, Part>,
}

/// One tensor: the kept values, and where they stand.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    shape: Vec<usize>,
    kept: Kept,
    places: Places,
    masked: bool,
}

impl Part {
    /// The kept values as numbers.
    fn kept(&self) -> Cow<'_, [f32]> {
        match &self.kept {
            Kept::Floats(kept) => Cow::Borrowed(kept),
            integers @ Kept::Integers { .. } => integers.floats(&self.places.rows(self.shape[0])),
        }
    }

    /// All values.
    fn floats(&self) -> Vec<f32> {
        self.places.scattered(&self.kept())
    }

    fn tensor(&self) -> Tensor {
        Tensor::f32(&self.shape, self.floats())
    }
}

/// The weights of a layer as they are multiplied in integers.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerWeights {
    /// In the order of the tensor.
    pub weights: Vec<i8>,
    /// What the integers of each output are multiplied with.
    pub scales: Vec<f32>,
}

impl Packed {
    /// The tensor `name`, if the file has it. Pruned values are +0.
    ///
    /// With norms kept there is every tensor of the parameter table. With norms folded there are
    /// `NODE.weight` and `NODE.bias` of each convolution and linear layer, and every parameter of the
    /// operations that are folded into none.
    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        self.parts.get(name).map(Part::tensor)
    }

    /// Every tensor that [`Packed::tensor`] gives.
    pub fn tensors(&self) -> Tensors {
        self.parts.iter().map(|(name, part)| (name.clone(), part.tensor())).collect()
    }

    /// The masks that the tensors obey; of weights alone where norms are folded.
    pub fn masks(&self) -> Masks {
        let mut masks = Masks::default();
        for (name, part) in self.parts.iter().filter(|(_, part)| part.masked) {
            masks.insert(name, part.places.mask());
        }
        masks
    }

    /// The convolution, linear layer or norm of `group` with the norms behind it, whether the file has
    /// these folded or not; None for any other group. `group` is one of
    /// [`graph::group::Walk::Inference`].
    pub fn layer(&self, group: &Group) -> Option<Folded> {
        if let Some(names) = FoldedNames::of(&self.graph, group).filter(|_| self.options.fold) {
            let of = |name: String| self.parts[&name].floats();
            return Some(Folded { weight: of(names.weight), bias: of(names.bias) });
        }
        let needed = stored::own(&self.graph, group);
        let tensors = needed.map(|p| (p.name.clone(), self.parts[&p.name].tensor())).collect();
        folded(&self.graph, group, &tensors)
    }

    /// The weights of the convolution or linear layer of `group` as the file has them, and its bias; None where
    /// activations are not integers, and for any other group.
    pub fn integer_layer(&self, group: &Group) -> Option<(IntegerWeights, Vec<f32>)> {
        self.integers.as_ref()?;
        let names = FoldedNames::of(&self.graph, group)?;
        let Part { kept: Kept::Integers { units, scales }, places, .. } =
            &self.parts[&names.weight]
        else {
            return None;
        };
        let weights = IntegerWeights { weights: places.scattered(units), scales: scales.clone() };
        Some((weights, self.parts[&names.bias].floats()))
    }
}

/// Reads a packed file from `bytes`; `path` is named in errors.
///
/// # Errors
/// [`Error::Config`] where it is no packed file, or one of a newer format; [`Error::Integrity`]
/// where it was cut or changed, is of another network or says what cannot be;
/// [`Error::Resource`] where its network has too many values or too large
/// activations.
pub fn unpack(bytes: &[u8], path: &Path) -> Result<Packed> {
    let opened = file::open(bytes, path)?;
    // All are read before the first error is looked for: the same file gives the same message.
    let read: Vec<_> = opened.slots.par_iter().map(|slot| part(slot, &opened)).collect();
    let mut parts = BTreeMap::new();
    for (slot, part) in opened.slots.iter().zip(read) {
        let part = part.map_err(|what| {
            Error::Integrity(format!("{}: tensor {}: {what}", path.display(), slot.name))
        })?;
        // Integers were decoded with scales that make finite numbers of them: enough for a weight.
        let sound =
            |p: &&Param| p.role == Role::Weight && matches!(part.kept, Kept::Integers { .. });
        if let Some(param) = opened.graph.param(&slot.name).filter(|p| !sound(p)) {
            check_values(param, &part.kept()).map_err(|what| {
                Error::Integrity(format!("{}: tensor {}: {what}", path.display(), slot.name))
            })?;
        }
        parts.insert(slot.name.clone(), part);
    }
    let Opened { record, graph, .. } = opened;
    let Record { info, options, integers, .. } = record;
    Ok(Packed { graph, info, options, integers, parts })
}

fn part(slot: &Slot, opened: &Opened) -> Result<Part, String> {
    match opened.record.tensors.get(&slot.name) {
        Some(entry) => coded(slot, entry, &opened.tensors),
        None => plain(slot, &opened.tensors[&slot.name]).and_then(|part| {
            let role = opened.graph.param(&slot.name).map(|p| p.role);
            match part.kept().iter().find(|v| role == Some(Role::RunningVar) && **v < 0.0) {
                Some(v) => Err(format!("a variance of {v}; expected 0 or more")),
                None => Ok(part),
            }
        }),
    }
}

fn plain(slot: &Slot, tensor: &Tensor) -> Result<Part, String> {
    match tensor.as_f32() {
        Some(values) if tensor.shape == slot.shape => Ok(Part {
            shape: slot.shape.clone(),
            kept: Kept::Floats(values.to_vec()),
            places: Places::All(values.len()),
            masked: false,
        }),
        _ => Err(format!("shape {:?}; expected F32 of {:?}", tensor.shape, slot.shape)),
    }
}

fn coded(slot: &Slot, entry: &Entry, all: &Tensors) -> Result<Part, String> {
    let len = slot.shape.iter().product();
    if entry.shape != slot.shape || entry.kept > len {
        return Err(format!(
            "{} values kept of shape {:?}; expected shape {:?}",
            entry.kept, entry.shape, slot.shape
        ));
    }
    let names = Names::of(&slot.name);
    let positions = bytes(all, &names.positions).unwrap_or_default();
    let places = Places::decoded(entry.positions, positions, entry.kept, &slot.shape)?;
    let coded = parts(entry, &names, all)?;
    let kept = values::decoded(entry.values, coded, &places.rows(slot.shape[0]))?;
    let masked = entry.positions != Positions::None;
    Ok(Part { shape: slot.shape.clone(), kept, places, masked })
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
