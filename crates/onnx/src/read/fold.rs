//! Operators on constants: the arithmetic of shapes that exporters write out, and weights that they
//! move about.

mod arithmetic;
mod moves;
mod reduce;

use super::attributes::Attributes;
use super::constant::{Constant, Data, Dim, Found, MOST_RANK, extent, few_axes};
use super::tensor::is_real;
use super::walk::Value;
use crate::proto::Element;
pub use arithmetic::of_two;
pub use moves::{cuts, expand, transposed};

/// The most values of a constant that is computed, or moved value by value.
pub const MOST_VALUES: usize = 1 << 24;

/// What an operator makes of constants; None where it is none of those that are known here.
pub fn fold(with: Attributes, inputs: &[Option<Constant>]) -> Found<Option<Constant>> {
    let kind = with.0.op_type.as_str();
    let input = |i: usize| inputs.get(i).and_then(Option::as_ref);
    let Some(first) = input(0) else { return Ok(None) };
    let second = || input(1).ok_or("a second input is missing");
    let axes = || -> Found<Option<Vec<i64>>> {
        Ok(match (with.ints("axes"), input(1)) {
            (Some(axes), _) => Some(few_axes(axes.to_vec())?),
            (None, Some(axes)) => Some(few_axes(axes.integers()?)?),
            (None, None) => None,
        })
    };
    let all = || inputs.iter().flatten().collect::<Vec<_>>();
    let found = match kind {
        "Identity" => first.clone(),
        // Like what depends on the images, which is real, or like a constant that is cast already.
        "CastLike" => cast(first, Element::Float as i32)?,
        "Cast" => cast(first, with.int("to").unwrap_or(1) as i32)?,
        "Shape" => {
            sizes(with, &first.dims.iter().map(|&n| Dim::from(n as i64)).collect::<Vec<_>>())
        }
        "Size" => Constant::whole(&[], vec![Dim::from(first.count() as i64)]),
        "Reshape" => moves::reshape(first, &second()?.integers()?)?,
        "Flatten" => {
            let axis = position(with.int("axis").unwrap_or(1), first.dims.len() + 1)?;
            let (outer, inner) = first.dims.split_at(axis);
            let dims = vec![outer.iter().product(), inner.iter().product()];
            Constant { dims, ..first.clone() }
        }
        "Unsqueeze" => moves::unsqueeze(first, &axes()?.ok_or("axes are missing")?)?,
        "Squeeze" => moves::squeeze(first, axes()?.as_deref())?,
        "Transpose" => moves::transpose(first, with.ints("perm"))?,
        "Gather" => moves::gather(first, second()?, with.int("axis").unwrap_or(0))?,
        "Slice" => moves::slice(first, inputs)?,
        "Concat" => moves::concat(&all(), with.int("axis").unwrap_or(0))?,
        "Expand" => {
            let to = second()?.integers()?;
            let to: Option<Vec<usize>> = to.iter().map(|&n| usize::try_from(n).ok()).collect();
            moves::expand(first, &to.ok_or("expands to sizes below 0")?)?
        }
        "Range" => {
            arithmetic::range(first, second()?, input(2).ok_or("a third input is missing")?)?
        }
        "Where" => {
            let otherwise = input(2).ok_or("a third input is missing")?;
            arithmetic::choose(first, second()?, otherwise)?
        }
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" => {
            let keep = with.int("keepdims").unwrap_or(1) == 1;
            match axes()?.filter(|axes| !axes.is_empty()) {
                None if with.keeps_all() => first.clone(),
                axes => reduce::reduce(kind, first, axes.as_deref(), keep)?,
            }
        }
        "BatchNormalization" => {
            let eps = with.float("epsilon").unwrap_or(1e-5);
            reduce::batch_norm(inputs, eps, with.is_training())?
        }
        "Clip" => arithmetic::clip(with, inputs)?,
        "ReduceProd" => {
            let keep = with.int("keepdims").unwrap_or(1) == 1;
            match axes()?.filter(|axes| !axes.is_empty()) {
                None if with.keeps_all() => first.clone(),
                axes => arithmetic::product(first, axes.as_deref(), keep)?,
            }
        }
        "Max" | "Min" | "Sum" | "Mean" => arithmetic::of_many(kind, &all())?,
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Equal" | "Less" | "Greater"
        | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" => {
            arithmetic::of_two(kind, first, second()?)?
        }
        "Neg" | "Sqrt" | "Reciprocal" | "Floor" | "Ceil" | "Not" | "Abs" | "Exp" | "Relu"
        | "Sigmoid" | "Tanh" => arithmetic::of_one(kind, first)?,
        _ => return Ok(None),
    };
    Ok(Some(found))
}

/// The dimensions that `Shape` asks for.
pub fn sizes(with: Attributes, dims: &[Dim]) -> Constant {
    let rank = dims.len() as i64;
    let clamp = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let start = clamp(with.int("start").unwrap_or(0));
    let end = clamp(with.int("end").unwrap_or(rank)).max(start);
    Constant::whole(&[end - start], dims[start..end].to_vec())
}

/// A tensor of one number, whose sizes may depend on the batch.
pub fn filled(dims: &[Dim], value: Option<&Constant>) -> Found<Value> {
    if dims.len() > MOST_RANK || dims.iter().any(|d| d.n < 0) {
        let dims: Vec<i64> = dims.iter().take(MOST_RANK).map(|d| d.n).collect();
        return Err(format!(
            "a tensor of shape {dims:?}; expected sizes of 0 and more, of {MOST_RANK} dimensions at most"
        ));
    }
    let zero = Constant::floats(&[1], vec![0.0]);
    let value = value.unwrap_or(&zero);
    let known: Option<Vec<usize>> =
        dims.iter().map(|d| usize::try_from(d.known().ok()?).ok()).collect();
    if let Some(dims) = known.filter(|d| few(d)) {
        let count = dims.iter().product();
        return Ok(Value::Constant(match &value.data {
            Data::Floats(v) if v.len() == 1 => Constant::floats(&dims, vec![v[0]; count]),
            Data::Whole(v) if v.len() == 1 => Constant::whole(&dims, vec![v[0]; count]),
            _ => return Err("more than one value to fill a tensor with".into()),
        }));
    }
    Ok(Value::Filled { dims: dims.to_vec(), value: value.scalar()? })
}

/// Whether a tensor of these sizes is small enough to be computed.
fn few(dims: &[usize]) -> bool {
    extent(dims).is_some_and(|n| n <= MOST_VALUES)
}

fn cast(x: &Constant, to: i32) -> Found<Constant> {
    let name = x.name.clone();
    Ok(match (&x.data, is_real(to)) {
        (Data::Floats(_), true) | (Data::Whole(_), false) => x.clone(),
        (Data::Whole(_), true) => {
            Constant { name, ..Constant::floats(&x.dims, x.real()?.to_vec()) }
        }
        (Data::Floats(v), false) => {
            Constant::whole(&x.dims, v.iter().map(|v| Dim::from(*v as i64)).collect())
        }
    })
}

/// `axis` counted from the front, of `rank` dimensions.
pub fn position(axis: i64, rank: usize) -> Found<usize> {
    let from_front = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(from_front).ok().filter(|a| *a < rank);
    found.ok_or_else(|| format!("axis {axis} of {rank} dimensions"))
}

/// Where a slice along `size` values begins, how many it takes, and every how many.
pub fn span(size: usize, start: i64, end: i64, step: i64) -> Found<(usize, usize, usize)> {
    let step = usize::try_from(step).ok().filter(|s| *s > 0);
    let step = step.ok_or("a step below 1; expected one forwards")?;
    let size = size as i64;
    let clamp = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size);
    let (start, end) = (clamp(start) as usize, clamp(end) as usize);
    Ok((start, end.saturating_sub(start).div_ceil(step), step))
}
