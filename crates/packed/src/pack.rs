//! From a checkpoint to the bytes of a packed file.

use std::collections::BTreeMap;

use artifact::manifest::Network;
use artifact::tensors::{Tensor, Tensors};
use artifact::{Error, Result};
use rayon::prelude::*;
use sparsity::Mask;

use crate::file::{self, Names};
use crate::places::Places;
use crate::planes::squeezed;
use crate::record::{Entry, FORMAT, Kind, Positions, Record};
use crate::stored::{self, Slot};
use crate::values::{self, Coded};
use crate::{Contents, Options, Values, check};

/// The bytes of a packed file. The same contents and options give the same bytes.
///
/// A pruned value of -0 comes back as +0, and so does one of a weight without a mask whose zeros are stored as if they
/// were pruned: its sign has no effect.
///
/// # Errors
/// [`Error::Config`] where info, masks or ranges do not fit the network, a weight is beyond f16, or activations in
/// integers come with other values than int8 or with norms that are kept;
/// [`Error::Integrity`] where tensors do not fit it, disobey their masks or hold no numbers;
/// [`Error::Resource`] where there are more values than 4 GiB hold.
pub fn pack(contents: &Contents, options: &Options) -> Result<Vec<u8>> {
    check::contents(contents)?;
    let mut all = stored::tensors(contents, options.fold)?;
    if let Some(integers) = &contents.integers {
        integers.check(&contents.graph, *options).map_err(Error::Config)?;
        if let Some(layer) = integers.equalised.keys().find(|l| !integers.biases.contains_key(*l)) {
            return Err(Error::Config(format!(
                "layer {layer} is equalised and has no bias; expected that of its outputs"
            )));
        }
        integers.equalise(all.to_mut());
        for (layer, bias) in &integers.biases {
            all.to_mut().insert(format!("{layer}.bias"), Tensor::f32(&[bias.len()], bias.clone()));
        }
    }
    let slots = stored::slots(&contents.graph, options.fold);
    let parts: Vec<Result<Part>> =
        slots.par_iter().map(|slot| part(slot, &all[&slot.name], contents, *options)).collect();
    let (mut entries, mut tensors) = (BTreeMap::new(), Tensors::new());
    for part in parts {
        let part = part?;
        entries.extend(part.entry);
        tensors.extend(part.tensors);
    }
    let text = contents.graph.to_string().into_bytes();
    let graph_bytes = Some(text.len());
    let text = squeezed(text);
    tensors.insert(file::GRAPH.to_owned(), Tensor::u8(&[text.len()], text));
    let record = Record {
        format: FORMAT,
        kind: Kind::Packed,
        network: Network { graph: None, ..contents.graph.network() },
        graph_bytes,
        info: contents.info.clone(),
        options: *options,
        integers: contents.integers.clone(),
        tensors: entries,
    };
    file::sealed(&record.text(), tensors)
}

/// What the file holds of one slot.
struct Part {
    entry: Option<(String, Entry)>,
    tensors: Vec<(String, Tensor)>,
}

fn part(slot: &Slot, tensor: &Tensor, contents: &Contents, options: Options) -> Result<Part> {
    // The mask of a folded bias is that of what it was folded from: it binds nothing any more.
    let mask = contents.masks.get(&slot.name).filter(|_| slot.weight || !options.fold);
    if !slot.weight && mask.is_none() {
        return Ok(Part { entry: None, tensors: vec![(slot.name.clone(), tensor.clone())] });
    }
    // What is no weight is small, and not what rounding is for.
    let values = if slot.weight { options.values } else { Values::F32 };
    let floats = tensor.as_f32().expect("checked against the table");
    let zeros = if mask.is_none() { of_zeros(floats) } else { None };
    let mask = mask.or(zeros.as_ref());
    coded(slot, floats, mask, Options { values, ..options })
        .map_err(|what| Error::Config(format!("tensor {}: {what}", slot.name)))
}

/// The mask that the zeros of a weight make, where these are at least a quarter of it: networks that were pruned
/// elsewhere often come without masks, and with zeros of either sign.
fn of_zeros(floats: &[f32]) -> Option<Mask> {
    let kept: Vec<bool> = floats.iter().map(|value| *value != 0.0).collect();
    let zeros = kept.iter().filter(|kept| !**kept).count();
    (4 * zeros >= floats.len()).then(|| Mask::new(kept))
}

fn coded(
    slot: &Slot,
    floats: &[f32],
    mask: Option<&Mask>,
    options: Options,
) -> Result<Part, String> {
    let places = Places::of(mask, floats.len());
    let (positions, bytes) = match mask {
        Some(mask) => places.encoded(options.encode, mask, &slot.shape),
        None => (Positions::None, vec![]),
    };
    let mut coded =
        values::encoded(options.values, &places.gathered(floats), &places.rows(slot.shape[0]))?;
    coded.planes = coded.planes.into_iter().map(squeezed).collect();
    let entry = Entry {
        shape: slot.shape.clone(),
        kept: places.kept(),
        positions,
        values: options.values,
        planes: coded.planes.iter().map(Vec::len).collect(),
    };
    let stored = positions.are_stored().then_some(bytes);
    let tensors = tensors(&slot.name, stored, coded);
    Ok(Part { entry: Some((slot.name.clone(), entry)), tensors })
}

fn tensors(name: &str, positions: Option<Vec<u8>>, coded: Coded) -> Vec<(String, Tensor)> {
    let names = Names::of(name);
    let bytes = |v: Vec<u8>| Tensor::u8(&[v.len()], v);
    let floats = |v: Vec<f32>| Tensor::f32(&[v.len()], v);
    let all = [
        Some((names.values, bytes(coded.planes.concat()))),
        positions.map(|v| (names.positions, bytes(v))),
        coded.scales.map(|v| (names.scales, floats(v))),
        coded.codebook.map(|v| (names.codebook, floats(v))),
    ];
    all.into_iter().flatten().collect()
}
