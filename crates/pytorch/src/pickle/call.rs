//! The calls that are answered: what a `state_dict` consists of, and nothing else.

use super::value::{Foreign, Global, Heap, Node, Storage, Tensor, Value};
use crate::strided::View;

/// No function on the list takes more.
const MOST_ARGUMENTS: usize = 8;

type Made<'a> = Result<Value<'a>, String>;

/// What `function` gives for the tuple `arguments`; [`Node::Foreign`] where it is not on the list
/// or its first argument, which the others describe, is itself foreign.
///
/// # Errors
/// Where the arguments are not those that `torch.save` writes.
pub fn call<'a>(heap: &mut Heap<'a>, function: Global<'a>, arguments: Value<'a>) -> Made<'a> {
    let all = heap.list(arguments).ok_or("calls without a tuple of arguments")?;
    let all: Vec<Value> = all.iter().take(MOST_ARGUMENTS).copied().collect();
    let made = match (function.module, function.name) {
        _ if is_dict(function) => dict(heap, &all),
        ("torch", "Size")
        | ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
            all.first().copied().ok_or_else(|| "no argument".to_owned())
        }
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => tensor(heap, &all, None),
        ("torch._utils", "_rebuild_tensor_v3") => {
            let dtype = all.get(6).and_then(|v| heap.global(*v));
            tensor(heap, &all, dtype.map(|g| g.name))
        }
        ("torch._tensor", "_rebuild_from_type_v2") => from_type(heap, function, &all),
        // Python 2 and old protocols make objects by a function whose first argument is the class.
        ("copyreg" | "copy_reg", "_reconstructor" | "__newobj__") => {
            let class = all.first().and_then(|v| heap.global(*v)).unwrap_or(function);
            Ok(heap.add(Node::Foreign(Foreign::Object(class))))
        }
        _ => Ok(heap.add(Node::Foreign(Foreign::Call(function)))),
    };
    made.map_err(|e| format!("{}: {e}", function.full()))
}

/// Whether objects of this class are dicts.
pub fn is_dict(class: Global) -> bool {
    class.module == "collections" && ["OrderedDict", "defaultdict"].contains(&class.name)
}

/// A dict: empty, or of the pairs that Python 2 gave as the first argument. Their list becomes
/// the dict in its place, so that no pickle can have it copied over and over.
fn dict<'a>(heap: &mut Heap<'a>, arguments: &[Value<'a>]) -> Made<'a> {
    let pairs = match arguments {
        [first, ..] => (*first, heap.node(*first)),
        [] => return Ok(heap.add(Node::Dict(vec![]))),
    };
    match pairs {
        (dict, Some(Node::Dict(_))) => Ok(dict),
        (list, Some(Node::List(all))) => {
            let pair = |v: &Value<'a>| match heap.list(*v) {
                Some([key, value]) => Ok((*key, *value)),
                _ => Err("a dict of what are no pairs".to_owned()),
            };
            let all = all.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
            if let Some(node) = heap.node_mut(list) {
                *node = Node::Dict(all);
            }
            Ok(list)
        }
        _ => Ok(heap.add(Node::Dict(vec![]))),
    }
}

/// A subclass of Tensor, or one with attributes: (function, class, arguments, state).
fn from_type<'a>(heap: &mut Heap<'a>, caller: Global<'a>, all: &[Value<'a>]) -> Made<'a> {
    let [function, _, arguments, ..] = all else {
        return Err("too few arguments".to_owned());
    };
    match heap.global(*function) {
        Some(global) if global != caller => call(heap, global, *arguments),
        None if heap.foreign(*function).is_some() => Ok(*function),
        _ => Err(format!("by {}", heap.describe(*function))),
    }
}

/// A tensor of (storage, offset, sizes, strides, ..).
fn tensor<'a>(heap: &mut Heap<'a>, all: &[Value<'a>], dtype: Option<&'a str>) -> Made<'a> {
    let [storage, offset, shape, stride, ..] = all else {
        return Err("too few arguments".to_owned());
    };
    if heap.foreign(*storage).is_some() {
        return Ok(*storage);
    }
    let found = heap.storage(*storage);
    let storage = found.ok_or_else(|| format!("on {}", heap.describe(*storage)))?;
    let offset = size(*offset)?;
    let view = View { offset, shape: sizes(heap, *shape)?, stride: sizes(heap, *stride)? };
    Ok(heap.add(Node::Tensor(Box::new(Tensor { storage, dtype, view }))))
}

fn sizes<'a>(heap: &Heap<'a>, value: Value<'a>) -> Result<Vec<usize>, String> {
    let all = heap.list(value).ok_or("sizes or strides that are no tuple")?;
    if all.len() > View::MOST_DIMENSIONS {
        return Err(format!("a tensor of {} dimensions", all.len()));
    }
    all.iter().map(|v| size(*v)).collect()
}

fn size(value: Value) -> Result<usize, String> {
    match value {
        Value::Int(n) => usize::try_from(n).map_err(|_| format!("a size or place of {n}")),
        other => Err(format!("a size or place that is no number: {other:?}")),
    }
}

/// What a persistent id stands for: a storage, or the class that old files noted the source of.
pub fn persistent<'a>(heap: &mut Heap<'a>, id: Value<'a>) -> Made<'a> {
    let parts = heap.list(id).unwrap_or_default();
    let foreign = parts.iter().chain([&id]).find(|v| heap.foreign(**v).is_some());
    if let Some(foreign) = foreign {
        return Ok(*foreign);
    }
    match parts {
        [Value::Text("storage"), class, Value::Text(key), _, count, view @ ..] => {
            let class = heap.global(*class).ok_or("a storage of no class")?.name;
            let (count, part) = (size(*count)?, part(heap, view)?);
            Ok(heap.add(Node::Storage(Storage { class, key, count, part })))
        }
        [Value::Text("module"), class, ..] => Ok(*class),
        _ => Err(format!("a persistent id that is no storage: {}", heap.describe(id))),
    }
}

/// The (key, offset, size) of a storage that is a part of another: before `PyTorch` 0.4.
fn part<'a>(heap: &Heap<'a>, rest: &[Value<'a>]) -> Result<Option<(usize, usize)>, String> {
    match rest.first().and_then(|v| heap.list(*v)) {
        Some([_, offset, count]) => Ok(Some((size(*offset)?, size(*count)?))),
        Some(_) => Err("a part of a storage without offset and size".to_owned()),
        None => Ok(None),
    }
}
