//! The tensors of a file brought to the table of a network.
//!
//! What a file calls a tensor depends on what the module was wrapped in when it was saved. The
//! table decides: a name of the file is one of the table if it is left when wrappers are taken
//! away, so that a network which itself has a module named `model` loses nothing.

mod apply;
mod hint;
mod names;

use std::collections::BTreeMap;

use artifact::tensors::Tensors;

use crate::StateDict;
use crate::fault::{count, names as listed, shown};
use crate::load::Array;
use names::{Index, Role};

pub use hint::missing;

/// A tensor that the network needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Its row-major shape.
    pub shape: Vec<usize>,
    /// The name that another library has for it, if that differs.
    pub alias: Option<String>,
}

/// A tensor of the file that the network has no place for.
#[derive(Debug, Clone, PartialEq)]
pub struct Surplus {
    /// Its place in the file.
    pub place: usize,
    /// The tensor.
    pub array: Array,
}

/// A file's tensors under the names of a network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fitted {
    /// Tensors by the name of their slot, f32, masks applied. Shapes are the file's.
    pub tensors: Tensors,
    /// Masks by the name of the tensor that they bind and of its shape, bytes 0 or 1; that tensor is
    /// exactly +0.0 where its mask is 0.
    pub masks: Tensors,
    /// What the network has no place for, in the order of the file.
    pub surplus: Vec<Surplus>,
    /// For each slot, the place in the file of what fills it.
    pub sources: Vec<Option<usize>>,
    /// What was done to the names.
    notes: Vec<String>,
    /// Values other than zero that masks set to zero.
    revived: usize,
}

/// What the file has for one slot: places in the file.
#[derive(Debug, Clone, Default)]
struct Claims {
    /// Plain tensors, with the number of wrappers in their names.
    values: Vec<(usize, usize)>,
    /// Tensors that a mask is yet to be applied to.
    originals: Vec<usize>,
    masks: Vec<usize>,
}

/// Brings `state` to the table `slots`.
///
/// # Errors
/// In words, where two tensors fit one slot, a mask has no tensor or does not fit it, or a tensor
/// holds integers.
pub fn fit(state: &StateDict, slots: &[Slot]) -> Result<Fitted, String> {
    let index = Index::new(slots, &state.tensors);
    let mut claims = vec![Claims::default(); slots.len()];
    let mut removed: BTreeMap<String, usize> = BTreeMap::new();
    let mut by_alias = vec![];
    for (place, array) in state.tensors.iter().enumerate() {
        let Some(found) = index.find(&array.name) else { continue };
        let claim = &mut claims[found.slot];
        match found.role {
            Role::Value => claim.values.push((found.wrappers.len(), place)),
            Role::Original => claim.originals.push(place),
            Role::Mask => claim.masks.push(place),
        }
        for wrapper in found.wrappers {
            *removed.entry(wrapper).or_default() += 1;
        }
        by_alias
            .extend((found.by_alias && found.role != Role::Mask).then_some((place, found.slot)));
    }
    let mut fitted = Fitted { sources: vec![None; slots.len()], ..Fitted::default() };
    fitted.notes.extend(removed.iter().map(|(wrapper, n)| {
        format!("removed {} from {}", shown(&format!("{wrapper}.")), count(*n, "name"))
    }));
    fitted.notes.extend(alias_note(&by_alias, state, slots));
    let mut used = vec![false; state.tensors.len()];
    for (slot, claim) in claims.iter().enumerate() {
        apply::fill(&mut fitted, (slot, slots), claim, (state, &mut used))?;
    }
    let left = state.tensors.iter().enumerate().filter(|(place, _)| !used[*place]);
    fitted.surplus = left.map(|(place, array)| Surplus { place, array: array.clone() }).collect();
    Ok(fitted)
}

/// A line on the tensors that were found under another library's names.
fn alias_note(found: &[(usize, usize)], state: &StateDict, slots: &[Slot]) -> Option<String> {
    let (place, slot) = found.first()?;
    Some(format!(
        "took {} by another library's names, such as {} for {}",
        count(found.len(), "tensor"),
        shown(&state.tensors[*place].name),
        slots[*slot].name
    ))
}

/// Applies to `fitted` the masks in `state`, a file of masks alone, each under the name of the tensor
/// that it binds or as a module would hold it.
///
/// # Errors
/// In words, where a mask binds no tensor of `slots` or does not fit it.
pub fn separate_masks(
    fitted: &mut Fitted,
    state: &StateDict,
    slots: &[Slot],
) -> Result<(), String> {
    let index = Index::new(slots, &state.tensors);
    let mut unknown = vec![];
    let before = fitted.masks.len();
    for array in &state.tensors {
        match index.find(&array.name) {
            Some(found) => apply::mask(fitted, &slots[found.slot].name, array)?,
            None => unknown.push(array.name.as_str()),
        }
    }
    if !unknown.is_empty() {
        return Err(format!(
            "{} of no tensor of the network: {}; expected the name of a weight, or one with _mask \
             behind it",
            count(unknown.len(), "mask"),
            listed(unknown)
        ));
    }
    let taken = count(state.tensors.len(), "mask");
    fitted
        .notes
        .push(format!("took {taken} from a file of their own; {before} lay beside the weights"));
    Ok(())
}

impl Fitted {
    /// What was done, for people.
    pub fn notes(&self) -> Vec<String> {
        [self.notes.clone(), apply::mask_notes(self)].concat()
    }
}

/// The table of a file that is looked at without a network: its own names without wrappers, or as
/// they are where that would make two the same.
pub fn own_table(state: &StateDict) -> Vec<Slot> {
    names::own(&state.tensors)
}
