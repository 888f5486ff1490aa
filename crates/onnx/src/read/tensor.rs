//! Tensors of a file as constants: every way to write values, the sizes checked before anything is
//! reserved.

use artifact::{Error, Result};

use super::constant::{Constant, Dim, MOST_RANK, MOST_VALUES, extent};
use super::{Place, external, float};
use crate::proto::{Element, Tensor};

/// The values of `tensor`, which errors call `what`.
pub fn constant(tensor: &Tensor, what: &str, place: &Place) -> Result<Constant> {
    let bad = |text: String| Error::Config(format!("{}: {what}: {text}", place.origin));
    let dims = dims(tensor).map_err(bad)?;
    let count: usize = dims.iter().product();
    let element = element(tensor).map_err(bad)?;
    if tensor.data_location == 1 {
        let bytes = external::read(tensor, count * width(element), what, place)?;
        return values(element, &dims, &bytes).map_err(bad);
    }
    let found = if tensor.raw_data.is_empty() {
        listed(tensor, element, &dims)
    } else {
        let (found, expected) = (tensor.raw_data.len(), count * width(element));
        if found == expected {
            values(element, &dims, &tensor.raw_data)
        } else {
            Err(format!("{found} bytes of values; its shape {dims:?} needs {expected}"))
        }
    };
    found.map_err(bad)
}

/// Its shape, with a product that can be counted.
fn dims(tensor: &Tensor) -> std::result::Result<Vec<usize>, String> {
    let stated = &tensor.dims[..tensor.dims.len().min(MOST_RANK)];
    if stated.len() < tensor.dims.len() {
        let rank = tensor.dims.len();
        return Err(format!("{rank} dimensions, {stated:?} and on; expected {MOST_RANK} at most"));
    }
    let sizes = stated.iter().map(|&n| usize::try_from(n).ok());
    let dims: Vec<usize> = sizes
        .collect::<Option<_>>()
        .ok_or_else(|| format!("shape {stated:?}; expected sizes of 0 and more"))?;
    match extent(&dims) {
        Some(_) => Ok(dims),
        None => Err(format!("shape {dims:?} has more than {MOST_VALUES} values")),
    }
}

fn element(tensor: &Tensor) -> std::result::Result<Element, String> {
    match Element::try_from(tensor.data_type) {
        Ok(Element::Undefined | Element::Text | Element::Complex64 | Element::Complex128)
        | Err(_) => Err(format!("element type {}; expected numbers", tensor.data_type)),
        Ok(known) => Ok(known),
    }
}

/// Bytes of one value.
fn width(element: Element) -> usize {
    match element {
        Element::Uint8 | Element::Int8 | Element::Bool => 1,
        Element::Uint16 | Element::Int16 | Element::Float16 | Element::Bfloat16 => 2,
        Element::Float | Element::Int32 | Element::Uint32 => 4,
        Element::Double | Element::Int64 | Element::Uint64 => 8,
        Element::Undefined | Element::Text | Element::Complex64 | Element::Complex128 => 0,
    }
}

/// Whether the values are real numbers.
pub fn is_real(data_type: i32) -> bool {
    let real = [Element::Float, Element::Double, Element::Float16, Element::Bfloat16];
    real.iter().any(|e| *e as i32 == data_type)
}

/// The name of an element type.
pub fn type_name(data_type: i32) -> String {
    Element::try_from(data_type).map_or_else(|_| data_type.to_string(), |e| format!("{e:?}"))
}

/// Values of raw bytes, as many as the shape needs.
fn values(element: Element, dims: &[usize], raw: &[u8]) -> std::result::Result<Constant, String> {
    macro_rules! each {
        ($type:ty, $to:expr) => {
            raw.as_chunks().0.iter().map(|b| $to(<$type>::from_le_bytes(*b))).collect()
        };
    }
    let whole = |n: i64| Dim::from(n);
    Ok(match element {
        Element::Float => Constant::floats(dims, each!(f32, |v: f32| v)),
        Element::Double => Constant::floats(dims, each!(f64, |v: f64| v as f32)),
        Element::Float16 => Constant::floats(dims, each!(u16, float::half)),
        Element::Bfloat16 => Constant::floats(dims, each!(u16, float::bfloat)),
        Element::Uint8 | Element::Bool => Constant::whole(dims, each!(u8, |v: u8| whole(v.into()))),
        Element::Int8 => Constant::whole(dims, each!(i8, |v: i8| whole(v.into()))),
        Element::Uint16 => Constant::whole(dims, each!(u16, |v: u16| whole(v.into()))),
        Element::Int16 => Constant::whole(dims, each!(i16, |v: i16| whole(v.into()))),
        Element::Int32 => Constant::whole(dims, each!(i32, |v: i32| whole(v.into()))),
        Element::Uint32 => Constant::whole(dims, each!(u32, |v: u32| whole(v.into()))),
        Element::Int64 => Constant::whole(dims, each!(i64, whole)),
        Element::Uint64 => Constant::whole(dims, each!(u64, |v: u64| whole(v as i64))),
        Element::Undefined | Element::Text | Element::Complex64 | Element::Complex128 => {
            return Err(format!("element type {element:?}; expected numbers"));
        }
    })
}

/// Values of the lists.
fn listed(
    tensor: &Tensor,
    element: Element,
    dims: &[usize],
) -> std::result::Result<Constant, String> {
    let whole = |v: i64| Dim::from(v);
    let halves = |of: fn(u16) -> f32| tensor.int32_data.iter().map(|&v| of(v as u16)).collect();
    let found = match element {
        Element::Float => Constant::floats(dims, tensor.float_data.clone()),
        Element::Double => {
            Constant::floats(dims, tensor.double_data.iter().map(|&v| v as f32).collect())
        }
        Element::Float16 => Constant::floats(dims, halves(float::half)),
        Element::Bfloat16 => Constant::floats(dims, halves(float::bfloat)),
        Element::Int64 => {
            Constant::whole(dims, tensor.int64_data.iter().copied().map(whole).collect())
        }
        Element::Uint32 | Element::Uint64 => {
            Constant::whole(dims, tensor.uint64_data.iter().map(|&v| whole(v as i64)).collect())
        }
        _ => Constant::whole(dims, tensor.int32_data.iter().map(|&v| whole(v.into())).collect()),
    };
    let (count, expected) = (found.count(), dims.iter().product::<usize>());
    if count == expected {
        return Ok(found);
    }
    Err(format!("{count} values; its shape {dims:?} needs {expected}"))
}
