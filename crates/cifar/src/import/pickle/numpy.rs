//! The names that a byte array's pickle speaks, and what they would make.

use std::rc::Rc;

use super::Value;

/// A name that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `numpy.core.multiarray._reconstruct`: an empty array, filled by BUILD.
    Reconstruct,
    /// `numpy.ndarray`.
    Ndarray,
    /// `numpy.dtype`.
    Dtype,
    /// `_codecs.encode`: how Python 3 writes bytes in protocol 2.
    Encode,
}

/// A numpy array of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// Its shape.
    pub shape: Vec<usize>,
    /// As many bytes as the shape's product.
    pub bytes: Rc<[u8]>,
    /// Whether the first index runs fastest.
    pub fortran: bool,
}

impl Name {
    /// The name, or why it is refused.
    pub fn find(module: &str, name: &str) -> Result<Self, String> {
        match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Ok(Self::Reconstruct)
            }
            ("numpy", "ndarray") => Ok(Self::Ndarray),
            ("numpy", "dtype") => Ok(Self::Dtype),
            ("_codecs", "encode") => Ok(Self::Encode),
            _ => Err(format!(
                "the pickle names {module}.{name}, which is refused; expected numpy's array and \
                 nothing else"
            )),
        }
    }
}

/// What calling `function` with `arguments` would give.
pub fn reduce(function: &Value, arguments: &Value) -> Result<Value, String> {
    let (Value::Name(name), Value::Tuple(arguments)) = (function, arguments) else {
        return Err("a call of something that is no function".to_owned());
    };
    match (name, &arguments[..]) {
        (Name::Reconstruct, [Value::Name(Name::Ndarray), ..]) => {
            Ok(Value::Array(Array { shape: vec![], bytes: Rc::from([]), fortran: false }))
        }
        (Name::Dtype, [kind, ..]) if kind.text() == Some("u1") => Ok(Value::Byte),
        (Name::Dtype, _) => Err(format!("an array of {arguments:?}; expected u1 (bytes)")),
        (Name::Encode, [Value::Text(text), code]) if code.text() == Some("latin1") => {
            let byte = |c: char| u8::try_from(c).map_err(|_| format!("{c:?} is no latin1"));
            Ok(Value::Bytes(text.chars().map(byte).collect::<Result<_, _>>()?))
        }
        _ => Err(format!("a call of {name:?} with other arguments than an array's")),
    }
}

/// What setting `target`'s state gives: an array is filled, `uint8` stays what it is.
pub fn build(target: Value, state: &Value) -> Result<Value, String> {
    match (target, state) {
        (Value::Byte, Value::Tuple(_)) => Ok(Value::Byte),
        (Value::Array(_), Value::Tuple(state)) => fill(state).map(Value::Array),
        _ => Err("the state of something that is no array".to_owned()),
    }
}

/// (version, shape, element type, Fortran order, bytes).
fn fill(state: &[Value]) -> Result<Array, String> {
    let [_, Value::Tuple(shape), Value::Byte, Value::Constant(Some(fortran)), Value::Bytes(bytes)] =
        state
    else {
        return Err("an array's state is not (version, shape, u1, order, bytes)".to_owned());
    };
    let size = |v: &Value| v.int().and_then(|i| usize::try_from(i).ok());
    let shape: Option<Vec<usize>> = shape.iter().map(size).collect();
    let product = |s: &Vec<usize>| s.iter().try_fold(1_usize, |a, b| a.checked_mul(*b));
    match shape {
        Some(shape) if product(&shape) == Some(bytes.len()) => {
            Ok(Array { shape, bytes: Rc::clone(bytes), fortran: *fortran })
        }
        _ => Err(format!("an array of shape {shape:?} has {} bytes", bytes.len())),
    }
}
