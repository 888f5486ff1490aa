//! Checkpoints as `PyTorch` users have them: `torch.save`'s files and safetensors.
//!
//! A file of `torch.save` is a pickle: a program that may call any function. It is read here by a
//! small stack machine that knows the few calls a `state_dict` needs; everything else becomes a
//! value that names what it would have been. Nothing is looked up, nothing is run.
//!
//! Out come f32 tensors under clean names and the masks of `torch.nn.utils.prune`. This crate ends
//! there: which network the tensors belong to, floors above know.

mod container;
mod dtype;
mod fault;
mod find;
mod load;
mod names;
mod pickle;
mod prune;
mod strided;
mod take;

use std::path::Path;

use artifact::tensors::Tensors;
use artifact::{Result, file};

use fault::Fault;

/// What a file of `PyTorch`'s holds, names cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Every parameter and statistic, f32, finite, row-major, by its clean name.
    pub tensors: Tensors,
    /// The masks of `torch.nn.utils.prune`, bytes 0 or 1, by the clean name of the tensor they
    /// bind and of its shape; that tensor is exactly +0.0 where its mask is 0.
    pub masks: Tensors,
    /// What was done on the way (key entered, prefix removed, entries left out, masks folded), for
    /// people.
    pub notes: Vec<String>,
}

/// Reads the `state_dict` of `path`: safetensors, or either format of `torch.save`, told apart by
/// content.
///
/// With `key` the `state_dict` under that key, dots going deeper; else the one at the top level,
/// or under the one of the customary keys (`state_dict`, `model`, ..) that holds one.
///
/// # Errors
/// - `Missing`: no such file, or unreadable.
/// - `Config`: a pickled module or a call stands where the tensors are expected (nothing of it was
///   run); no such key, or several that fit; the tar format of the first releases.
/// - `Integrity`: truncated or garbled, a tensor beyond its storage, NaN or infinity (also a double
///   beyond f32), integers other than counters, a mask without its tensor, two equal names.
pub fn read(path: &Path, key: Option<&str>) -> Result<StateDict> {
    decode(&file::read(path)?, path, key)
}

/// As [`read`], from bytes; `path` is named in errors only.
pub fn decode(bytes: &[u8], path: &Path, key: Option<&str>) -> Result<StateDict> {
    state_dict(bytes, key).map_err(|fault| fault.of(path))
}

fn state_dict(bytes: &[u8], key: Option<&str>) -> Result<StateDict, Fault> {
    let mut notes = vec![];
    let (entries, mut source) = container::open(bytes, key, &mut notes)?;
    let entries = names::clean(entries, &mut notes)?;
    let tensors = load::load(&entries, &mut source, bytes.len())?;
    let (tensors, masks) = prune::fold(tensors, &mut notes)?;
    if tensors.is_empty() {
        return Err(Fault::Damaged("holds no tensors".to_owned()));
    }
    Ok(StateDict { tensors, masks, notes })
}
