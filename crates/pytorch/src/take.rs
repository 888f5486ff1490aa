//! What is taken from the `state_dict`: its tensors; and what is said of the rest.

use std::collections::BTreeSet;

use crate::fault::{Fault, listed, shown};
use crate::find::{self, STATE_DICT};
use crate::pickle::{Foreign, Node, Pickle, Tensor, Value};

/// Tensors by name, in the order of the file.
type Named<'p, 'a> = Vec<(String, &'p Tensor<'a>)>;

/// The tensors of the `state_dict` of `pickle`; says in `notes` where it was and what else there
/// was.
pub fn state_dict<'p, 'a>(
    pickle: &'p Pickle<'a>,
    key: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<Named<'p, 'a>, Fault> {
    let (place, value) = find::find(pickle, key)?;
    notes.extend(place.map(|key| format!("entered {}", shown(key))));
    if let Some(foreign) = pickle.heap.foreign(value) {
        return Err(refused(place, foreign, STATE_DICT));
    }
    let (found, others) = tensors(pickle, value)?;
    if found.is_empty() {
        let (place, kind) = (shown(place.unwrap_or("the top level")), pickle.heap.describe(value));
        return Err(Fault::Question(format!("{place} is {kind}; expected a dict of tensors")));
    }
    if !others.is_empty() {
        notes.push(format!("left out what is no tensor: {}", listed(&others)));
    }
    notes.extend(not_made(pickle));
    Ok(found)
}

/// The tensors of the dict `value`, and the names of numbers and text beside them. What could hide
/// tensors is refused.
fn tensors<'p, 'a>(
    pickle: &'p Pickle<'a>,
    value: Value<'a>,
) -> Result<(Named<'p, 'a>, Vec<String>), Fault> {
    let (mut found, mut others) = (vec![], vec![]);
    for (name, value) in find::entries(pickle, value) {
        match pickle.heap.node(value) {
            Some(Node::Tensor(tensor)) => found.push((name, &**tensor)),
            Some(Node::Foreign(foreign)) => return Err(refused(Some(&name), *foreign, "a tensor")),
            Some(_) => {
                let (name, kind) = (shown(&name), pickle.heap.describe(value));
                return Err(Fault::Question(format!("{name} is {kind}; expected a tensor")));
            }
            None => others.push(shown(&name)),
        }
    }
    Ok((found, others))
}

/// A line on what the pickle would have made or called beside the tensors.
fn not_made(pickle: &Pickle) -> Option<String> {
    let foreign = |node: &Node| if let Node::Foreign(f) = node { Some(f.name()) } else { None };
    let names: BTreeSet<String> = pickle.heap.nodes().iter().filter_map(foreign).collect();
    let names = listed(&Vec::from_iter(names));
    (!names.is_empty()).then(|| format!("beside it, neither made nor run: {names}"))
}

/// What to say where `foreign` stands and `expected` belongs.
pub fn refused(place: Option<&str>, foreign: Foreign, expected: &str) -> Fault {
    let place = place.map(|p| shown(p) + ": ").unwrap_or_default();
    let name = foreign.name();
    let what = match foreign {
        Foreign::Object(_) => format!("holds a pickled object of class {name}, not {expected}"),
        Foreign::Call(_) => format!("the pickle would call {name} where {expected} belongs"),
    };
    Fault::Foreign(format!("{place}{what}; nothing of it was run"))
}
