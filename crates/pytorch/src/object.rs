//! What the objects of a pickle are here: dicts, lists, tensors, and all else, which stays unmade.

use pickle::{Global, How, Made, Node, Pickle, Value};

use crate::fault::Fault;

/// Names and values of a dict or list.
pub type Entries<'a> = Vec<(String, Value<'a>)>;

/// What was not made: an object of a class, or what a call would have given.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// Whether it is an object of a class.
    pub object: bool,
    /// The class or function, fit for a message.
    pub name: String,
}

/// Functions of `torch` whose result is a tensor.
const TENSORS: [&str; 6] = [
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_sparse_tensor",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
];

/// Whether a call of `function` gives a tensor.
pub fn makes_tensor(function: Global) -> bool {
    match function.module {
        "torch._utils" => TENSORS.contains(&function.name),
        "torch._tensor" => function.name == "_rebuild_from_type_v2",
        _ => false,
    }
}

/// Whether objects of this class are dicts.
fn is_dict(class: Global) -> bool {
    class.module == "collections" && ["OrderedDict", "defaultdict"].contains(&class.name)
}

/// The class or function that makes `made`, where that is a plain name or, as in old files, a class
/// noted with its source.
pub fn maker<'a>(pickle: &Pickle<'a>, made: &Made<'a>) -> Option<Global<'a>> {
    match pickle.node(made.by)? {
        Node::Global(global) => Some(*global),
        Node::Persistent(id) => match pickle.items(*id)? {
            [kind, class, ..] if pickle.text(*kind) == Some("module") => pickle.global(*class),
            _ => None,
        },
        _ => None,
    }
}

/// Whether `value` is a tensor, sound or not.
pub fn is_tensor<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> bool {
    let made = pickle.made(value).filter(|m| m.how == How::Call);
    made.and_then(|m| maker(pickle, m)).is_some_and(makes_tensor)
}

/// Whether `value` holds others by name or place.
pub fn is_container<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> bool {
    pickle.items(value).is_some() || dict(pickle, value).is_some()
}

/// A plain or an ordered dict: the pairs that Python 2 gave an ordered one as an argument, and the
/// entries that were set.
type Dict<'p, 'a> = (&'p [Value<'a>], &'p [(Value<'a>, Value<'a>)]);

fn dict<'p, 'a>(pickle: &'p Pickle<'a>, value: Value<'a>) -> Option<Dict<'p, 'a>> {
    if let Some(entries) = pickle.dict(value) {
        return Some((&[], entries));
    }
    let made = pickle.made(value)?;
    maker(pickle, made).filter(|class| is_dict(*class))?;
    let pairs = pickle.arguments(made).first().and_then(|v| pickle.items(*v));
    Some((pairs.unwrap_or_default(), &made.entries))
}

/// What can be entered: a dict's entries by their text or number, a list's by their place.
pub fn entries<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Entries<'a> {
    let name = |key: Value<'a>| match (pickle.text(key), key) {
        (Some(text), _) => text.to_owned(),
        (None, Value::Int(n)) => n.to_string(),
        (None, other) => pickle.describe(other),
    };
    if let Some(items) = pickle.items(value) {
        return items.iter().enumerate().map(|(i, v)| (i.to_string(), *v)).collect();
    }
    let (pairs, entries) = dict(pickle, value).unwrap_or_default();
    let pair = |v: &Value<'a>| match pickle.items(*v) {
        Some([key, value]) => Some((*key, *value)),
        _ => None,
    };
    let all = pairs.iter().filter_map(pair).chain(entries.iter().copied());
    all.map(|(k, v)| (name(k), v)).collect()
}

/// What `value` would have been, where it is neither data, dict nor tensor.
pub fn foreign<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Option<Foreign> {
    let made = pickle.made(value)?;
    match maker(pickle, made) {
        Some(by)
            if is_dict(by) || makes_tensor(by) || by.module == "torch" && by.name == "Size" =>
        {
            None
        }
        _ => Some(named(pickle, made)),
    }
}

/// By what `made` would have been made.
pub fn named<'a>(pickle: &Pickle<'a>, made: &Made<'a>) -> Foreign {
    let by = maker(pickle, made).or_else(|| pickle.maker(made));
    let object = made.how == How::Object;
    // Python 2 and old protocols make objects by a function whose first argument is the class.
    let old = by.is_some_and(|g| {
        ["copyreg", "copy_reg"].contains(&g.module)
            && ["_reconstructor", "__newobj__"].contains(&g.name)
    });
    let first = pickle.arguments(made).first().and_then(|v| pickle.global(*v));
    let (object, by) = if old { (true, first.or(by)) } else { (object, by) };
    let name = by.map_or_else(|| "what has no name".to_owned(), Global::full);
    Foreign { object, name }
}

/// What `value` is, in words.
pub fn describe<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> String {
    if is_tensor(pickle, value) {
        return crate::tensor::describe(pickle, value);
    }
    match dict(pickle, value).map(|(pairs, entries)| pairs.len() + entries.len()) {
        Some(0) => "an empty dict".to_owned(),
        Some(n) => format!("a dict of {n}"),
        None => pickle.describe(value),
    }
}

/// What to say where `foreign` stands at `place` and a `state_dict` belongs.
pub fn no_state_dict(place: Option<&str>, foreign: &Foreign) -> Fault {
    let what = refusal(place, foreign, "a state_dict");
    if foreign.name.starts_with("__torch__") {
        return Fault::Question(format!(
            "{what}; it is TorchScript: in PyTorch, torch.save(torch.jit.load(FILE).state_dict(), NEW)"
        ));
    }
    Fault::Module(what)
}

/// What to say where `foreign` stands under `name` in a `state_dict` and a tensor belongs.
pub fn no_tensor(name: &str, foreign: &Foreign) -> Fault {
    let call = foreign.name.rsplit('.').next().unwrap_or_default();
    let advice = match call {
        "_rebuild_qtensor" => format!("it is quantised: save {name}.dequantize() in its place"),
        "DTensor" | "_rebuild_dtensor" => {
            format!("it is distributed: save {name}.full_tensor() in its place")
        }
        "_rebuild_nested_tensor" => {
            format!("it is nested: save {name}.to_padded_tensor(0) in its place")
        }
        "_rebuild_meta_tensor_no_storage" => {
            "it is a meta tensor, which has a shape and no values".to_owned()
        }
        "_rebuild_device_tensor_from_numpy" | "_rebuild_device_tensor_from_cpu_tensor" => {
            format!("it is on another device: save {name}.cpu() in its place")
        }
        _ => "keep only tensors in the state_dict when it is saved".to_owned(),
    };
    let what = refusal(Some(name), foreign, "a tensor");
    Fault::Question(format!(
        "{what}; {advice}; if the network does without it, --ignore '{name}' leaves it out"
    ))
}

fn refusal(place: Option<&str>, foreign: &Foreign, expected: &str) -> String {
    let place = place.map(|p| format!("{p}: ")).unwrap_or_default();
    let name = &foreign.name;
    let what = if foreign.object {
        format!("holds a pickled object of class {name}, not {expected}")
    } else {
        format!("the pickle would call {name} where {expected} belongs")
    };
    format!("{place}{what}; nothing of it was run")
}
