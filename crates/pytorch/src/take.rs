//! What is taken from the `state_dict`: its tensors; and what is said of the rest.

use std::collections::BTreeSet;

use pickle::{Node, Pickle, Value};

use crate::fault::{Fault, listed, shown};
use crate::load::Entry;
use crate::object;
use crate::tensor::{self, Problem};
use crate::{Selection, find};

/// The tensors of the `state_dict` of `pickle` that are asked for; says in `notes` where it was and
/// what else there was.
pub fn state_dict(
    pickle: &Pickle,
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, Fault> {
    let (place, value) = find::find(pickle, selection.key)?;
    notes.extend(place.as_deref().map(|key| format!("entered {}", shown(key))));
    let place = place.map(|key| shown(&key));
    if let Some(foreign) = object::foreign(pickle, value) {
        return Err(object::no_state_dict(place.as_deref(), &foreign));
    }
    let all = object::entries(pickle, value);
    if !all.iter().any(|(_, v)| object::is_tensor(pickle, *v)) {
        let (place, kind) =
            (place.as_deref().unwrap_or("the top level"), object::describe(pickle, value));
        return Err(Fault::Question(format!("{place} is {kind}; expected a dict of tensors")));
    }
    let found = tensors(pickle, selection.choose(all, notes)?, notes)?;
    notes.extend(not_made(pickle));
    Ok(found)
}

/// The tensors among `all`; numbers and text beside them are noted. What could hide tensors is
/// refused.
fn tensors<'a>(
    pickle: &Pickle<'a>,
    all: object::Entries<'a>,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, Fault> {
    let (mut found, mut others) = (vec![], vec![]);
    for (name, value) in all {
        if object::is_tensor(pickle, value) {
            let body = tensor::tensor(pickle, value).map_err(|p| refused(&name, p))?;
            found.push(Entry { name, body });
        } else if let Some(foreign) = object::foreign(pickle, value) {
            return Err(object::no_tensor(&shown(&name), &foreign));
        } else if object::is_container(pickle, value) && !extra(&name) {
            let (name, kind) = (shown(&name), object::describe(pickle, value));
            return Err(Fault::Question(format!(
                "{name} is {kind}; expected a tensor (--ignore '{name}' leaves it out)"
            )));
        } else {
            others.push(shown(&name));
        }
    }
    if !others.is_empty() {
        notes.push(format!("left out what is no tensor: {}", listed(&others)));
    }
    Ok(found)
}

/// Whether `name` is that of a module's extra state, which may be anything.
fn extra(name: &str) -> bool {
    name == "_extra_state" || name.ends_with("._extra_state")
}

fn refused(name: &str, problem: Problem) -> Fault {
    let name = shown(name);
    match problem {
        Problem::Foreign(foreign) => object::no_tensor(&name, &foreign),
        Problem::Damaged(what) => Fault::Damaged(format!("tensor {name}: {what}")),
        Problem::Unread(what) => Fault::Question(format!("tensor {name} {what}")),
    }
}

/// A line on what the pickle would have made or called beside the tensors.
fn not_made(pickle: &Pickle) -> Option<String> {
    let foreign = |at: usize| match &pickle.nodes[at] {
        Node::Made(made) => {
            let layout = object::maker(pickle, made).is_some_and(|g| g.name == "_get_layout");
            object::foreign(pickle, Value::Node(at)).filter(|_| !layout)
        }
        _ => None,
    };
    let names: BTreeSet<String> =
        (0..pickle.nodes.len()).filter_map(foreign).map(|f| f.name).collect();
    let names = listed(&Vec::from_iter(names));
    (!names.is_empty()).then(|| format!("beside it, neither made nor run: {names}"))
}
