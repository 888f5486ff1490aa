//! Tensors as a pickle tells of them: the calls that `torch.save` writes, read as data.

use pickle::{Global, Node, Pickle, Value};

use crate::dtype;
use crate::fault::shown;
use crate::object::{self, Foreign};
use crate::strided::View;

/// Wrappers around a tensor (parameter, subclass, ..) that are looked through.
const MOST_WRAPPERS: usize = 8;

/// Elements of a storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Strided {
    /// Their type: `torch`'s name or storage class, or another format's.
    pub dtype: String,
    /// The storage in the container.
    pub key: String,
    /// Bytes of that storage.
    pub bytes: usize,
    /// The bytes of it that the view sees: from, to.
    pub part: (usize, usize),
    /// Which elements of that part.
    pub view: View,
}

/// How a tensor is laid out.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// All values.
    Dense(Strided),
    /// Values at index tuples, (dimensions, count); equal tuples are summed.
    Coo {
        /// Shape of the whole.
        shape: Vec<usize>,
        /// One column of indices a value.
        indices: Strided,
        /// The values, each of the dimensions that have no index.
        values: Strided,
    },
    /// Values row by row, or column by column, of a matrix.
    Compressed {
        /// Shape of the whole.
        shape: Vec<usize>,
        /// Whether columns are compressed, not rows.
        by_column: bool,
        /// Where each row begins among the values, and where the last ends.
        starts: Strided,
        /// The column of each value.
        indices: Strided,
        /// The values.
        values: Strided,
    },
}

/// Why a value is no tensor.
pub enum Problem {
    /// It, or what it is made of, was not made.
    Foreign(Foreign),
    /// It is not what `torch.save` writes.
    Damaged(String),
    /// It is whole, but of a kind that is not read; in words, with what to do.
    Unread(String),
}

impl From<String> for Problem {
    fn from(what: String) -> Self {
        Self::Damaged(what)
    }
}

type Found<T = Body> = Result<T, Problem>;

/// The tensor that `value` is.
pub fn tensor<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Found {
    unwrapped(pickle, value, MOST_WRAPPERS)
}

/// What the tensor `value` is, in words.
pub fn describe<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> String {
    match tensor(pickle, value) {
        Ok(Body::Dense(Strided { view: View { shape, .. }, .. })) => format!("a tensor {shape:?}"),
        Ok(Body::Coo { shape, .. } | Body::Compressed { shape, .. }) => {
            format!("a sparse tensor {shape:?}")
        }
        Err(_) => "a tensor".to_owned(),
    }
}

fn unwrapped<'a>(pickle: &Pickle<'a>, value: Value<'a>, left: usize) -> Found {
    let Some(made) = pickle.made(value) else {
        return Err(format!("on {}", pickle.describe(value)).into());
    };
    match object::maker(pickle, made) {
        Some(by) if object::is_tensor(pickle, value) => {
            rebuilt(pickle, by, pickle.arguments(made), left)
        }
        _ => Err(Problem::Foreign(object::named(pickle, made))),
    }
}

/// What `function` would give for `all`.
fn rebuilt<'a>(pickle: &Pickle<'a>, function: Global<'a>, all: &[Value<'a>], left: usize) -> Found {
    if left == 0 {
        return Err(format!("{}: wrapped too often", function.full()).into());
    }
    if !object::makes_tensor(function) {
        return Err(Problem::Foreign(Foreign { object: false, name: function.full() }));
    }
    let found = match (function.name, all) {
        ("_rebuild_parameter" | "_rebuild_parameter_with_state", [inner, ..]) => {
            return unwrapped(pickle, *inner, left - 1);
        }
        // A subclass of Tensor, or one with attributes: (function, class, arguments, state).
        ("_rebuild_from_type_v2", [inner, _, arguments, ..]) => match pickle.global(*inner) {
            Some(inner) if inner != function && pickle.items(*arguments).is_some() => {
                let arguments = pickle.items(*arguments).unwrap_or_default();
                return rebuilt(pickle, inner, arguments, left - 1);
            }
            _ => foreign_or(pickle, *inner, "by"),
        },
        ("_rebuild_tensor" | "_rebuild_tensor_v2", [storage, offset, shape, stride, rest @ ..]) => {
            let metadata = rest.get(2).copied();
            strided(pickle, *storage, [*offset, *shape, *stride], (None, metadata))
        }
        ("_rebuild_tensor_v3", [storage, offset, shape, stride, _, _, dtype, rest @ ..]) => {
            let known = (pickle.global(*dtype).map(|g| g.name), rest.first().copied());
            strided(pickle, *storage, [*offset, *shape, *stride], known)
        }
        ("_rebuild_sparse_tensor", [layout, parts, ..]) => sparse(pickle, *layout, *parts, left),
        _ => Err("too few arguments".to_owned().into()),
    };
    found.map_err(|problem| match problem {
        Problem::Damaged(what) => Problem::Damaged(format!("{}: {what}", function.full())),
        other => other,
    })
}

/// What is wrong with `value`: itself unmade, or another value than belongs there.
fn foreign_or<'a, T>(pickle: &Pickle<'a>, value: Value<'a>, word: &str) -> Found<T> {
    Err(match object::foreign(pickle, value) {
        Some(foreign) => Problem::Foreign(foreign),
        None => Problem::Damaged(format!("{word} {}", pickle.describe(value))),
    })
}

/// A tensor of a storage, (offset, sizes, strides), its type where the storage does not tell it,
/// and its metadata.
fn strided<'a>(
    pickle: &Pickle<'a>,
    storage: Value<'a>,
    [offset, shape, stride]: [Value<'a>; 3],
    (dtype, metadata): (Option<&str>, Option<Value<'a>>),
) -> Found {
    let storage = persistent(pickle, storage)?;
    lazily_changed(pickle, metadata)?;
    let (shape, stride) = (sizes(pickle, shape)?, sizes(pickle, stride)?);
    let view = View { offset: size(offset)?, shape, stride };
    let class = dtype::find(&storage.class);
    let width = class.ok_or_else(|| format!("storage class {}", shown(&storage.class)))?.size;
    let (start, count) = storage.part.unwrap_or((0, storage.count));
    let bytes = |n: usize| {
        n.checked_mul(width).ok_or_else(|| format!("a storage of {n} elements of {width} bytes"))
    };
    Ok(Body::Dense(Strided {
        bytes: bytes(storage.count)?,
        part: (bytes(start)?, bytes(start.saturating_add(count))?),
        dtype: dtype.map_or(storage.class, str::to_owned),
        key: storage.key,
        view,
    }))
}

/// Refuses a view that `PyTorch` negates or conjugates when it is read.
fn lazily_changed<'a>(pickle: &Pickle<'a>, metadata: Option<Value<'a>>) -> Found<()> {
    let entries = metadata.and_then(|m| pickle.dict(m)).unwrap_or_default();
    for (key, value) in entries {
        if let (Some(kind @ ("neg" | "conj")), Value::Bool(true)) = (pickle.text(*key), value) {
            return Err(Problem::Unread(format!(
                "is a view that PyTorch changes when it reads it ({kind}); save it with .resolve_{kind}()"
            )));
        }
    }
    Ok(())
}

/// A sparse tensor of its layout and the parts that belong to it.
fn sparse<'a>(pickle: &Pickle<'a>, layout: Value<'a>, parts: Value<'a>, left: usize) -> Found {
    let layout = layout_name(pickle, layout)?;
    let dense = |value: Value<'a>| match unwrapped(pickle, value, left - 1)? {
        Body::Dense(strided) => Ok(strided),
        _ => Err(Problem::Damaged("a sparse tensor made of sparse tensors".to_owned())),
    };
    let by_column = layout == "torch.sparse_csc";
    match (layout.as_str(), pickle.items(parts).unwrap_or_default()) {
        ("torch.sparse_coo", [indices, values, shape, ..]) => Ok(Body::Coo {
            shape: sizes(pickle, *shape)?,
            indices: dense(*indices)?,
            values: dense(*values)?,
        }),
        ("torch.sparse_csr" | "torch.sparse_csc", [starts, indices, values, shape, ..]) => {
            Ok(Body::Compressed {
                shape: sizes(pickle, *shape)?,
                by_column,
                starts: dense(*starts)?,
                indices: dense(*indices)?,
                values: dense(*values)?,
            })
        }
        ("torch.sparse_coo" | "torch.sparse_csr" | "torch.sparse_csc", _) => {
            Err("too few parts".to_owned().into())
        }
        (other, _) => Err(Problem::Unread(format!(
            "has the layout {}; expected strided, sparse_coo, sparse_csr or sparse_csc: save it with \
             .to_dense()",
            shown(other)
        ))),
    }
}

/// The name in a call of `torch.serialization._get_layout`.
fn layout_name<'a>(pickle: &Pickle<'a>, layout: Value<'a>) -> Found<String> {
    let made = pickle.made(layout);
    let by = made.and_then(|m| object::maker(pickle, m));
    match (by, made.and_then(|m| pickle.arguments(m).first())) {
        (Some(Global { module: "torch.serialization", name: "_get_layout" }), Some(name)) => pickle
            .text(*name)
            .map(str::to_owned)
            .ok_or_else(|| "a layout without a name".to_owned().into()),
        _ => foreign_or(pickle, layout, "of the layout"),
    }
}

/// A storage, as a persistent id tells of it.
pub struct Storage {
    /// Its class in `torch`, say `FloatStorage`.
    pub class: String,
    /// Its name in the container.
    pub key: String,
    /// Its number of elements.
    pub count: usize,
    /// Where it is a part of the one in the container: the first element and the number of them.
    part: Option<(usize, usize)>,
}

fn persistent<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Found<Storage> {
    match pickle.node(value) {
        Some(Node::Persistent(id)) => storage(pickle, *id),
        _ => foreign_or(pickle, value, "on"),
    }
}

/// The storage of the persistent id `id`: ("storage", class, key, device, count, part).
pub fn storage<'a>(pickle: &Pickle<'a>, id: Value<'a>) -> Found<Storage> {
    let parts = pickle.items(id).unwrap_or_default();
    if let Some(foreign) = parts.iter().chain([&id]).find_map(|v| object::foreign(pickle, *v)) {
        return Err(Problem::Foreign(foreign));
    }
    match parts {
        [kind, class, key, _, count, rest @ ..] if pickle.text(*kind) == Some("storage") => {
            let class = pickle.global(*class).ok_or_else(|| "a storage of no class".to_owned())?;
            let key =
                pickle.text(*key).ok_or_else(|| "a storage key that is no text".to_owned())?;
            let (class, key) = (class.name.to_owned(), key.to_owned());
            Ok(Storage { class, key, count: size(*count)?, part: part(pickle, rest)? })
        }
        _ => {
            let found = pickle.describe(id);
            Err(format!("a persistent id that is no storage: {found}").into())
        }
    }
}

/// The (key, offset, size) of a storage that is a part of another: before `PyTorch` 0.4.
fn part<'a>(pickle: &Pickle<'a>, rest: &[Value<'a>]) -> Result<Option<(usize, usize)>, String> {
    match rest.first().and_then(|v| pickle.items(*v)) {
        Some([_, offset, count]) => Ok(Some((size(*offset)?, size(*count)?))),
        Some(_) => Err("a part of a storage without offset and size".to_owned()),
        None => Ok(None),
    }
}

/// Sizes or strides: a tuple, or one that `torch.Size` was called with.
fn sizes<'a>(pickle: &Pickle<'a>, value: Value<'a>) -> Found<Vec<usize>> {
    let made = pickle.made(value);
    let by = made.and_then(|m| object::maker(pickle, m));
    let inner = match (by, made.and_then(|m| pickle.arguments(m).first())) {
        (Some(Global { module: "torch", name: "Size" }), Some(inner)) => *inner,
        (Some(_), _) => return foreign_or(pickle, value, "of the size"),
        _ => value,
    };
    let all = pickle.items(inner).ok_or_else(|| "sizes or strides that are no tuple".to_owned())?;
    if all.len() > View::MOST_DIMENSIONS {
        return Err(format!("a tensor of {} dimensions", all.len()).into());
    }
    Ok(all.iter().map(|v| size(*v)).collect::<Result<_, _>>()?)
}

fn size(value: Value) -> Result<usize, String> {
    match value {
        Value::Int(n) => usize::try_from(n).map_err(|_| format!("a size or offset of {n}")),
        _ => Err("a size or offset that is no number".to_owned()),
    }
}
