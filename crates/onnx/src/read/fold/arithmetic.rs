//! Arithmetic of numbers, some of which may be the batch size.

use super::super::attributes::Attributes;
use super::super::constant::{Constant, Data, Dim, Found};
use super::moves::{expand, joint};
use super::{few, position};

/// The batch size in arithmetic that would need to know it.
const OPEN: &str = "arithmetic on the batch size, which is not known";

/// What cannot be counted.
const BEYOND: &str = "whole numbers beyond 64 bits";

/// The sum, mean, largest or smallest of any number of constants.
pub fn of_many(kind: &str, all: &[&Constant]) -> Found<Constant> {
    let by = if matches!(kind, "Max" | "Min") { kind } else { "Add" };
    let (first, others) = all.split_first().ok_or("an input is missing")?;
    let found = others.iter().try_fold((*first).clone(), |a, b| of_two(by, &a, b))?;
    if kind != "Mean" {
        return Ok(found);
    }
    of_two("Div", &found, &Constant::floats(&[], vec![all.len() as f32]))
}

/// Elementwise, both broadcast.
pub fn of_two(kind: &str, a: &Constant, b: &Constant) -> Found<Constant> {
    let dims = joint(&a.dims, &b.dims)?;
    if !few(&dims) {
        return Err(format!("arithmetic on constants of shape {dims:?}; that is too large"));
    }
    let (a, b) = (expand(a, &dims)?, expand(b, &dims)?);
    if let (Data::Whole(a), Data::Whole(b)) = (&a.data, &b.data) {
        let all = a.iter().zip(b.iter()).map(|(a, b)| whole(kind, *a, *b));
        return Ok(Constant::whole(&dims, all.collect::<Found<_>>()?));
    }
    let (a, b) = (a.real()?, b.real()?);
    let pairs = || a.iter().zip(b.iter()).map(|(a, b)| (*a, *b));
    let truth = |of: fn(f32, f32) -> bool| {
        Constant::whole(&dims, pairs().map(|(a, b)| Dim::from(i64::from(of(a, b)))).collect())
    };
    Ok(match kind {
        "Equal" => truth(|a, b| a == b),
        "Less" => truth(|a, b| a < b),
        "Greater" => truth(|a, b| a > b),
        "LessOrEqual" => truth(|a, b| a <= b),
        "GreaterOrEqual" => truth(|a, b| a >= b),
        _ => {
            let of = real(kind)?;
            Constant::floats(&dims, pairs().map(|(a, b)| of(a, b)).collect())
        }
    })
}

fn real(kind: &str) -> Found<fn(f32, f32) -> f32> {
    Ok(match kind {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" => |a, b| a / b,
        "Pow" => f32::powf,
        "Min" => f32::min,
        "Max" => f32::max,
        other => return Err(format!("{other} of real constants")),
    })
}

fn whole(kind: &str, a: Dim, b: Dim) -> Found<Dim> {
    let overflow = || BEYOND.to_owned();
    let product = |batch: bool| {
        let n = a.n.checked_mul(b.n).ok_or_else(overflow)?;
        Ok(Dim { n, batch })
    };
    match (kind, a.batch, b.batch) {
        ("Mul", true, true) => Err(OPEN.into()),
        ("Mul", one, other) => product(one || other),
        ("Div", true, _) if a.n.checked_rem(b.n) == Some(0) => {
            Ok(Dim { n: a.n / b.n, batch: !b.batch })
        }
        ("Equal", true, true) if a == b => Ok(1.into()),
        // A batch has one image or more.
        ("Equal", true, false) if b.n <= 0 => Ok(0.into()),
        ("Equal", false, true) if a.n <= 0 => Ok(0.into()),
        ("Add" | "Sub", true, false) if b.n == 0 => Ok(a),
        ("Add", false, true) if a.n == 0 => Ok(b),
        (_, true, _) | (_, _, true) => Err(OPEN.into()),
        _ => known(kind, a.n, b.n)?.map(Dim::from).ok_or_else(overflow),
    }
}

/// None where it overflows, or divides by zero.
fn known(kind: &str, a: i64, b: i64) -> Found<Option<i64>> {
    Ok(match kind {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Div" => a.checked_div(b),
        "Mod" => a.checked_rem_euclid(b),
        "Pow" => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        "Min" => Some(a.min(b)),
        "Max" => Some(a.max(b)),
        "Equal" => Some((a == b).into()),
        "Less" => Some((a < b).into()),
        "Greater" => Some((a > b).into()),
        "LessOrEqual" => Some((a <= b).into()),
        "GreaterOrEqual" => Some((a >= b).into()),
        "And" => Some((a != 0 && b != 0).into()),
        "Or" => Some((a != 0 || b != 0).into()),
        other => return Err(format!("{other} of whole numbers")),
    })
}

/// Of each value by itself.
pub fn of_one(kind: &str, x: &Constant) -> Found<Constant> {
    if !few(&x.dims) {
        return Err(format!("arithmetic on a constant of shape {:?}; that is too large", x.dims));
    }
    if let Data::Whole(v) = &x.data {
        let of = |d: &Dim| match (kind, d.batch) {
            ("Neg", batch) => Ok(Dim { n: d.n.checked_neg().ok_or(BEYOND)?, batch }),
            ("Not", false) => Ok(Dim::from(i64::from(d.n == 0))),
            ("Floor" | "Ceil", _) => Ok(*d),
            ("Abs", false) => Ok(Dim::from(d.n.checked_abs().ok_or(BEYOND)?)),
            ("Relu", false) => Ok(Dim::from(d.n.max(0))),
            _ => Err(format!("{kind} of a whole number")),
        };
        return Ok(Constant::whole(&x.dims, v.iter().map(of).collect::<Found<_>>()?));
    }
    let of: fn(f32) -> f32 = match kind {
        "Neg" => |v| -v,
        "Sqrt" => f32::sqrt,
        "Reciprocal" => |v| 1.0 / v,
        "Floor" => f32::floor,
        "Ceil" => f32::ceil,
        "Abs" => f32::abs,
        "Exp" => f32::exp,
        "Relu" => |v| v.max(0.0),
        "Sigmoid" => |v| 1.0 / (1.0 + (-v).exp()),
        "Tanh" => f32::tanh,
        other => return Err(format!("{other} of real constants")),
    };
    Ok(Constant::floats(&x.dims, x.real()?.iter().map(|v| of(*v)).collect()))
}

/// Between bounds, each of which may be missing.
pub fn clip(with: Attributes, inputs: &[Option<Constant>]) -> Found<Constant> {
    let mut found = inputs.first().cloned().flatten().ok_or("an input is missing")?;
    for (i, name, kind) in [(1, "min", "Max"), (2, "max", "Min")] {
        let of_attribute = with.float(name).map(|bound| Constant::floats(&[], vec![bound]));
        if let Some(bound) = inputs.get(i).cloned().flatten().or(of_attribute) {
            found = of_two(kind, &found, &bound)?;
        }
    }
    Ok(found)
}

/// The first where the condition holds, else the other.
pub fn choose(condition: &Constant, first: &Constant, other: &Constant) -> Found<Constant> {
    let dims = joint(&joint(&condition.dims, &first.dims)?, &other.dims)?;
    if !few(&dims) {
        return Err(format!("a choice of constants of shape {dims:?}; that is too large"));
    }
    let truths = expand(condition, &dims)?.integers()?;
    let (a, b) = (expand(first, &dims)?, expand(other, &dims)?);
    let at = |i: usize| truths[i] != 0;
    if let (Data::Whole(a), Data::Whole(b)) = (&a.data, &b.data) {
        let all = (0..truths.len()).map(|i| if at(i) { a[i] } else { b[i] });
        return Ok(Constant::whole(&dims, all.collect()));
    }
    let (a, b) = (a.real()?, b.real()?);
    let all = (0..truths.len()).map(|i| if at(i) { a[i] } else { b[i] });
    Ok(Constant::floats(&dims, all.collect()))
}

/// Whole numbers from `start` up to `end`.
pub fn range(start: &Constant, end: &Constant, step: &Constant) -> Found<Constant> {
    let one = |c: &Constant| match c.integers()?[..] {
        [n] => Ok(n),
        _ => Err("a range between tensors".to_owned()),
    };
    let (start, end, step) = (one(start)?, one(end)?, one(step)?);
    let count = end.checked_sub(start).filter(|n| *n >= 0 && step > 0);
    let count = count.ok_or("a range backwards")? as u64;
    let count = count.div_ceil(step as u64);
    if count > super::MOST_VALUES as u64 {
        return Err(format!("a range of {count} numbers; that is too large"));
    }
    let all = (0..count as i64).map(|i| Dim::from(start + i * step));
    Ok(Constant::whole(&[count as usize], all.collect()))
}

/// The product of all whole numbers.
pub fn product(x: &Constant, axes: Option<&[i64]>, keep: bool) -> Found<Constant> {
    let rank = x.dims.len();
    let over: Option<Vec<usize>> =
        axes.map(|axes| axes.iter().map(|&a| position(a, rank)).collect()).transpose()?;
    if over.is_some_and(|over| (0..rank).any(|i| x.dims[i] != 1 && !over.contains(&i))) {
        return Err(format!("over a part of {:?}; supported is a product of all values", x.dims));
    }
    let one = Constant::whole(&[], vec![Dim::from(1)]);
    let all = x.dims_of()?.into_iter().map(|d| Constant::whole(&[], vec![d]));
    let found = all.into_iter().try_fold(one, |a, b| of_two("Mul", &a, &b))?;
    let left = if keep { rank } else { axes.map_or(0, |axes| rank - axes.len().min(rank)) };
    Ok(Constant { dims: vec![1; left], ..found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_of_all_values() {
        let x = Constant::whole(&[1, 3], [2, 3, 4].map(Dim::from).to_vec());
        let check = |axes: Option<&[i64]>, keep, dims: &[usize]| {
            let found = product(&x, axes, keep).expect("fits");
            assert_eq!((&found.dims[..], found.integers()), (dims, Ok(vec![24])));
        };
        check(None, true, &[1, 1]);
        check(None, false, &[]);
        check(Some(&[-1]), true, &[1, 1]);
        check(Some(&[1]), false, &[1]);
        check(Some(&[0, 1]), false, &[]);
        assert!(product(&x, Some(&[0]), true).is_err());
    }
}
