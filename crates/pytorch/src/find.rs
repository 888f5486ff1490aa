//! Where in a pickle the `state_dict` is: at the top, under a customary key, or under the key that
//! was asked for.

use artifact::nearest;

use crate::fault::{Fault, listed, shown};
use crate::pickle::{Node, Pickle, Value};
use crate::take::refused;

/// Keys that scripts keep a `state_dict` under beside epoch and optimiser.
const CUSTOMARY: [&str; 7] =
    ["state_dict", "model_state_dict", "model", "net", "module", "weights", "ema"];

/// What is looked for, in words.
pub const STATE_DICT: &str = "a state_dict";

/// Names and values of a dict or list.
pub type Entries<'a> = Vec<(String, Value<'a>)>;

/// The value under `key`, or where the `state_dict` is without one, and the key it is under.
pub fn find<'a, 'k>(
    pickle: &Pickle<'a>,
    key: Option<&'k str>,
) -> Result<(Option<&'k str>, Value<'a>), Fault> {
    match key {
        Some(key) => Ok((Some(key), enter(pickle, key)?)),
        None => search(pickle),
    }
}

/// Follows `key` from the top; as names may hold dots, the longest that is there is taken first.
fn enter<'a>(pickle: &Pickle<'a>, key: &str) -> Result<Value<'a>, Fault> {
    let (mut value, mut left, mut place) = (pickle.top, key, "the top level");
    loop {
        let entries = entries(pickle, value);
        let get = |name: &str| entries.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        if let Some(found) = get(left) {
            return Ok(found);
        }
        let mut splits = left.rmatch_indices('.').map(|(at, _)| left.split_at(at));
        let Some((found, (name, rest))) = splits.find_map(|split| Some((get(split.0)?, split)))
        else {
            return Err(absent(pickle, left, place, value));
        };
        (value, left, place) = (found, &rest[1..], name);
    }
}

fn absent(pickle: &Pickle, name: &str, place: &str, value: Value) -> Fault {
    if let Some(foreign) = pickle.heap.foreign(value) {
        return refused(Some(place), foreign, STATE_DICT);
    }
    let (entries, place) = (entries(pickle, value), shown(place));
    if entries.is_empty() {
        let kind = pickle.heap.describe(value);
        return Fault::Question(format!("{place} is {kind}, which has no keys"));
    }
    let mut hint = nearest::hint(name, entries.iter().map(|(n, _)| n.as_str()));
    if !hint.contains("did you mean") {
        // What is there is listed anyway, with kinds.
        hint.clear();
    }
    let (name, hint, there) = (shown(name), shown(&hint), listed(&kinds(pickle, &entries)));
    Fault::Question(format!("no key {name} at {place}{hint}; there are: {there}"))
}

/// The one `state_dict` at the top or under a customary key, with that key.
fn search<'a>(pickle: &Pickle<'a>) -> Result<(Option<&'static str>, Value<'a>), Fault> {
    if let Some(fault) = foreign(pickle) {
        return Err(fault);
    }
    if fits(pickle, pickle.top) {
        return Ok((None, pickle.top));
    }
    let entries = entries(pickle, pickle.top);
    let under = |key: &&str| entries.iter().find(|(n, _)| n == key).map(|(_, v)| *v);
    let there: Vec<(&str, Value)> =
        CUSTOMARY.iter().filter_map(|key| Some((*key, under(key)?))).collect();
    let fitting: Vec<_> = there.iter().filter(|(_, v)| fits(pickle, *v)).collect();
    if let [(key, value)] = fitting[..] {
        return Ok((Some(key), *value));
    }
    let Some((first, _)) = fitting.first() else {
        return Err(nowhere(pickle, &entries, &there));
    };
    let keys: Vec<&str> = fitting.iter().map(|(key, _)| *key).collect();
    let keys = keys.join(", ");
    let text = format!("holds several state_dicts, under {keys}; choose one: --key {first}");
    Err(Fault::Question(text))
}

/// What to say where the whole `pickle` is an object or a call.
pub fn foreign(pickle: &Pickle) -> Option<Fault> {
    pickle.heap.foreign(pickle.top).map(|foreign| refused(None, foreign, STATE_DICT))
}

/// Whether `value` looks like a `state_dict`: a dict that holds tensors and nothing to enter.
fn fits(pickle: &Pickle, value: Value) -> bool {
    let Some(Node::Dict(all)) = pickle.heap.node(value) else { return false };
    let mut nodes = all.iter().filter_map(|(_, v)| pickle.heap.node(*v));
    nodes.clone().any(|n| matches!(n, Node::Tensor(_)))
        && !nodes.any(|n| matches!(n, Node::Dict(_) | Node::List(_)))
}

/// What to say where nothing fits: `entries` are all there are, `there` those under customary keys.
fn nowhere(pickle: &Pickle, entries: &Entries, there: &[(&str, Value)]) -> Fault {
    for (key, value) in there {
        if let Some(foreign) = pickle.heap.foreign(*value) {
            return refused(Some(key), foreign, STATE_DICT);
        }
    }
    if entries.is_empty() {
        let found = pickle.heap.describe(pickle.top);
        return Fault::Question(format!("holds {found}; expected a state_dict"));
    }
    let (usual, there) = (CUSTOMARY.join(", "), listed(&kinds(pickle, entries)));
    Fault::Question(format!(
        "no state_dict at the top level or under {usual}; there are: {there}; choose one: --key KEY"
    ))
}

/// What can be entered: a dict's entries by their text or number, a list's by their place.
pub fn entries<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Entries<'a> {
    let name = |key: &Value| match key {
        Value::Text(text) => (*text).to_owned(),
        Value::Int(n) => n.to_string(),
        other => pickle.heap.describe(*other),
    };
    match pickle.heap.node(value) {
        Some(Node::Dict(all)) => all.iter().map(|(k, v)| (name(k), *v)).collect(),
        Some(Node::List(all)) => all.iter().enumerate().map(|(i, v)| (i.to_string(), *v)).collect(),
        _ => vec![],
    }
}

fn kinds(pickle: &Pickle, entries: &Entries) -> Vec<String> {
    let kind = |(name, value): &(String, Value)| {
        format!("{} ({})", shown(name), pickle.heap.describe(*value))
    };
    entries.iter().map(kind).collect()
}
