//! Checkpoints as `PyTorch` users have them: `torch.save`'s files and safetensors.
//!
//! A file of `torch.save` is a pickle: a program that may call any function. It is read here as
//! data (crate `pickle`); of the calls that it holds the few that a `state_dict` needs are
//! understood, and everything else stays a value that names what it would have been. Nothing is
//! looked up, nothing is run.
//!
//! [`read`] gives the tensors under the names that the file has. [`fit()`] brings them to the table
//! of a network: wrappers are taken from the names, masks are applied. Which network that is, floors
//! above know.

mod container;
mod dtype;
mod fault;
mod find;
mod fit;
mod load;
mod object;
mod select;
mod sparse;
mod strided;
mod take;
mod tensor;

use std::path::Path;

use artifact::{Result, file};

use fault::Fault;
pub use fault::shown;
pub use fit::{Fitted, Slot, Surplus, fit, missing, own_table, separate_masks};
pub use load::{Array, Numbers};
pub use select::Selection;

/// What a file of `PyTorch`'s holds.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// Every tensor that was asked for, in the order of the file; floats are finite.
    pub tensors: Vec<Array>,
    /// What was done on the way (key entered, prefix removed, entries left out), for people.
    pub notes: Vec<String>,
}

/// Reads the `state_dict` of `path`: safetensors, or either format of `torch.save`, told apart by
/// content.
///
/// # Errors
/// - `Missing`: no such file, or unreadable.
/// - `Config`: a pickled module or a call stands where the tensors are expected (nothing of it was
///   run); no such key, or several that fit; a prefix or pattern that matches nothing; the tar
///   format of the first releases.
/// - `Integrity`: truncated or garbled, a tensor beyond its storage, NaN or infinity (also a double
///   beyond f32), two equal names.
pub fn read(path: &Path, selection: &Selection) -> Result<StateDict> {
    decode(&file::read(path)?, path, selection)
}

/// As [`read`], from bytes; `path` is named in errors only.
pub fn decode(bytes: &[u8], path: &Path, selection: &Selection) -> Result<StateDict> {
    state_dict(bytes, selection).map_err(|fault| fault.of(path))
}

fn state_dict(bytes: &[u8], selection: &Selection) -> Result<StateDict, Fault> {
    let mut notes = vec![];
    let (entries, mut source) = container::open(bytes, selection, &mut notes)?;
    check_names(&entries)?;
    if entries.is_empty() {
        return Err(Fault::Damaged("holds no tensors".to_owned()));
    }
    let tensors = load::load(&entries, &mut source, bytes.len())?;
    Ok(StateDict { tensors, notes })
}

/// Refuses names that stand twice or hold control characters.
fn check_names(entries: &[load::Entry]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for entry in entries {
        if entry.name.chars().any(char::is_control) {
            return Err(format!("tensor name {} holds control characters", shown(&entry.name)));
        }
        if !seen.insert(&entry.name) {
            return Err(format!("tensor {} stands twice", shown(&entry.name)));
        }
    }
    Ok(())
}
