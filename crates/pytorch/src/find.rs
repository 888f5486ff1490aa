//! Where in a pickle the `state_dict` is: at the top, under a customary key, or under the key that
//! was asked for.

use artifact::nearest;
use pickle::{Pickle, Value};

use crate::fault::{Fault, listed, shown};
use crate::object::{self, Entries, entries};

/// Keys that scripts keep a `state_dict` under beside epoch and optimiser.
const CUSTOMARY: [&str; 17] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
    "ema",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "params_ema",
    "net_state_dict",
    "model_weights",
];

/// How many customary keys are entered one below another.
const DEEPEST: usize = 3;

/// The value under `key`, or where the `state_dict` is without one, and the key it is under.
pub fn find<'a>(
    pickle: &Pickle<'a>,
    key: Option<&str>,
) -> Result<(Option<String>, Value<'a>), Fault> {
    match key {
        Some(key) => Ok((Some(key.to_owned()), enter(pickle, key)?)),
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

fn absent<'a>(pickle: &Pickle<'a>, name: &str, place: &str, value: Value<'a>) -> Fault {
    if let Some(foreign) = object::foreign(pickle, value) {
        return object::no_state_dict(Some(&shown(place)), &foreign);
    }
    let (entries, place) = (entries(pickle, value), shown(place));
    if entries.is_empty() {
        let kind = object::describe(pickle, value);
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

/// The one `state_dict` at the top or under customary keys, with those.
fn search<'a>(pickle: &Pickle<'a>) -> Result<(Option<String>, Value<'a>), Fault> {
    if let Some(fault) = foreign(pickle) {
        return Err(fault);
    }
    if fits(pickle, pickle.top) {
        return Ok((None, pickle.top));
    }
    let fitting = below(pickle, pickle.top, DEEPEST, &mut vec![]);
    match &fitting[..] {
        [(key, value)] => Ok((Some(key.clone()), *value)),
        [] => Err(nowhere(pickle)),
        [(first, _), ..] => {
            let keys: Vec<&str> = fitting.iter().map(|(key, _)| key.as_str()).collect();
            let keys = keys.join(", ");
            let text =
                format!("holds several state_dicts, under {keys}; choose one: --key {first}");
            Err(Fault::Question(text))
        }
    }
}

/// What is under the customary keys of `value`.
fn customary<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Vec<(&'static str, Value<'a>)> {
    let entries = entries(pickle, value);
    let under = |key: &str| entries.iter().find(|(n, _)| n == key).map(|(_, v)| *v);
    CUSTOMARY.iter().filter_map(|key| Some((*key, under(key)?))).collect()
}

/// The `state_dict`s below customary keys of `value`, up to `depth` keys deep; no dict is entered
/// twice.
fn below<'a>(
    pickle: &Pickle<'a>,
    value: Value<'a>,
    depth: usize,
    seen: &mut Vec<Value<'a>>,
) -> Vec<(String, Value<'a>)> {
    if seen.contains(&value) {
        return vec![];
    }
    seen.push(value);
    let mut found = vec![];
    for (key, value) in customary(pickle, value) {
        if fits(pickle, value) {
            found.push((key.to_owned(), value));
        } else if depth > 1 && pickle.items(value).is_none() {
            let deeper = below(pickle, value, depth - 1, seen);
            found.extend(deeper.into_iter().map(|(rest, v)| (format!("{key}.{rest}"), v)));
        }
    }
    found
}

/// What to say where the whole `pickle` is an object or a call.
pub fn foreign(pickle: &Pickle) -> Option<Fault> {
    object::foreign(pickle, pickle.top).map(|foreign| object::no_state_dict(None, &foreign))
}

/// Whether `value` looks like a `state_dict`: a dict that holds tensors and nothing to enter.
fn fits<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> bool {
    if pickle.items(value).is_some() {
        return false;
    }
    let all = entries(pickle, value);
    all.iter().any(|(_, v)| object::is_tensor(pickle, *v))
        && !all
            .iter()
            .any(|(n, v)| object::is_container(pickle, *v) && !n.ends_with("_extra_state"))
}

/// What to say where nothing fits.
fn nowhere(pickle: &Pickle) -> Fault {
    for (key, value) in customary(pickle, pickle.top) {
        if let Some(foreign) = object::foreign(pickle, value) {
            return object::no_state_dict(Some(key), &foreign);
        }
    }
    let entries = entries(pickle, pickle.top);
    if entries.is_empty() {
        let found = object::describe(pickle, pickle.top);
        return Fault::Question(format!("holds {found}; expected a state_dict"));
    }
    let there = listed(&kinds(pickle, &entries));
    Fault::Question(format!(
        "no state_dict at the top level or under {} and the like; there are: {there}; choose one: \
         --key KEY",
        CUSTOMARY[..4].join(", ")
    ))
}

fn kinds<'a>(pickle: &Pickle<'a>, entries: &Entries<'a>) -> Vec<String> {
    let kind = |(name, value): &(String, Value<'a>)| {
        format!("{} ({})", shown(name), object::describe(pickle, *value))
    };
    entries.iter().map(kind).collect()
}
